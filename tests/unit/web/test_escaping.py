"""Whatever people call their prompts, a page has the same tags: their words are text."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.side_difference import ConflictingPart, SideDifference
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.pull_request.prompt_diff import SettingChange, TextChange
from bridge.status.history_events import HistoryEvent, HistoryEventKind
from bridge.status.pagination import Page
from bridge.status.target_differences import StoredDifference
from bridge.status.target_queries import TargetOrder, TargetView, TimelineStep
from bridge.status.target_status import TargetStatus
from bridge.web.assets import StaticAssets
from bridge.web.page_renderer import PageRenderer
from bridge.web.prompt_pages import TargetDetails
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor, VisitorRole

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
VISITOR = SignedInVisitor("Jane", VisitorRole.OPERATOR, "token", NOON)
PAGES = PageRenderer(lambda: NOON, StaticAssets())
HOSTILE = st.text(min_size=1) | st.lists(
    st.sampled_from(["<", ">", '"', "'", "&", "</title>", "{{", "<!--", "]]>", "x=y", " ", "\0"]),
    min_size=1,
).map("".join)


class Skeleton(HTMLParser):
    """Tags with the names of their attributes, and where links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "action")]


def shown(template: str, path: str, **values: Any) -> Skeleton:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    request = Request({**scope, "session": {}})
    answer = PAGES.render(request, template, visitor=VISITOR, **values)
    return Skeleton(bytes(answer.body).decode())


def target(words: str) -> TargetView:
    mapping, label = f"m{words}", f"l{words}"
    status = TargetStatus(mapping, 17, label, words, words, TargetState.OPEN, words, NOON, NOON)
    return TargetView(status, NOON)


def details(words: str) -> TargetDetails:
    difference = SideDifference(
        (SettingChange(words, (words,), (words,)),),
        (TextChange("Message 1", words, "changed", (f"-{words}", f"+{words}")),),
        has_file=True,
        has_version=True,
        is_conflict=True,
        conflicts=(ConflictingPart(words, words, words),),
    )
    view = target(words)
    stored = StoredDifference(view.status.target, difference, NOON)
    return TargetDetails(view, stored, words, words, tuple(AdoptedSide))


def listed(words: str) -> Skeleton:
    return shown(
        "prompts.html",
        "/",
        asked=QueryParameters("/", {"q": words, "label": words}),
        after=None,
        page=Page((target(words),), next_cursor=words),
        states=dict.fromkeys(TargetState, 1),
        mappings=("a", words),
        labels=("a", words),
        orders=tuple(TargetOrder),
        order=TargetOrder.NAME,
    )


def told(words: str) -> Skeleton:
    told = HistoryEvent(
        HistoryEventKind.VERSION_SAVED, words, 17, words, NOON, text=words, who=words, url=words
    )
    return shown(
        "prompt.html",
        "/prompts/m/17",
        mapping=words,
        prompt_id=17,
        name=words,
        targets=(details(words),),
        elsewhere=[target(words)],
        source=words,
        steps=Page((TimelineStep(told, NOON, None),), next_cursor=words),
        after=None,
    )


@settings(max_examples=50, deadline=None)
@given(HOSTILE)
def test_words_change_nothing_about_a_page(words: str) -> None:
    for page in (listed, told):
        assert page(words).tags == page("plain").tags


@settings(max_examples=50, deadline=None)
@given(HOSTILE)
def test_words_lead_nowhere_but_into_the_dashboard(words: str) -> None:
    for page in (listed, told):
        for link in page(words).links:
            assert link.startswith(("/", "#", "data:,")), link
            assert not link.startswith(("//", "/\\")), link
