"""Check boxes count in the bridge's own section only, whatever the texts of prompts say."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.forge.forge_webhooks import contains_checked_box
from bridge.prompts.pull_request.body import render_body
from bridge.prompts.pull_request.check_boxes import (
    CheckBoxAction,
    find_checked_actions,
    merge_answers,
    render_check_boxes,
    replace_check_boxes,
)
from bridge.prompts.pull_request.metadata import (
    CheckBoxAnswer,
    PullRequestMetadata,
    parse_metadata,
)
from bridge.prompts.pull_request.proposal_summary import (
    BranchChange,
    PromptChange,
    PromptEditor,
    ProposalSummary,
)
from tests.unit.prompts.test_body import prompt

EVERY = tuple(CheckBoxAction)
LINE = PullRequestMetadata("1", "2").render_hidden_line()
SECTION = render_check_boxes(EVERY)
CHECKED = SECTION.replace("[ ]", "[x]")
BODY = f"What differs.\n\n{SECTION}\n\n{LINE}"
LIMIT = 65_536


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize("mark", ["x", "X"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_checked_box_is_found(action: CheckBoxAction, mark: str, end: str) -> None:
    box = f"<!-- promptlayer-bridge-box:{action} -->"
    checked = BODY.replace(f"- [ ] {box}", f"- [{mark}] {box}").replace("\n", end)

    assert find_checked_actions(checked) == {action}
    assert contains_checked_box(checked)


def test_unchecked_boxes_ask_for_nothing() -> None:
    assert find_checked_actions(BODY) == frozenset()
    assert not contains_checked_box(BODY)


@pytest.mark.parametrize(
    "body",
    [
        f"{CHECKED}\n\n{BODY}",  # above the bridge's own section
        f"{BODY}\n\n{CHECKED}",  # below the hidden line
        f"{CHECKED}\n\nA person's text\n\n{LINE}",  # away from the hidden line
        f"> {CHECKED}\n\n{LINE}",  # quoted
        CHECKED,  # without a hidden line
        f"- [x] Rebase now\n\n{BODY}",
    ],
)
def test_a_box_anywhere_else_asks_for_nothing(body: str) -> None:
    assert find_checked_actions(body) == frozenset()


def test_a_box_between_others_that_the_bridge_did_not_write_ends_its_list() -> None:
    first, rest = CHECKED.split("\n", 1)

    assert find_checked_actions(f"{first}\n- [x] mine\n{rest}\n\n{LINE}") == frozenset()


def test_an_unknown_box_asks_for_nothing() -> None:
    assert find_checked_actions(BODY.replace("[ ]", "[x]").replace("box:rebase", "box:merge")) == {
        CheckBoxAction.EVALUATE,
        CheckBoxAction.TAKE_REPOSITORY,
    }


def test_an_answer_takes_the_place_of_the_earlier_one_and_of_all_boxes_in_a_closed_body() -> None:
    first = CheckBoxAnswer("rebase", "jane", "the branch is on the newest main")
    second = CheckBoxAnswer("rebase", "bob", "done, onto the newest main")
    (answer,) = merge_answers([first], [second])

    closed = replace_check_boxes(BODY, [answer])

    assert "[ ]" not in closed
    assert "`bob` checked “Rebase now”: done, onto the newest main" in closed
    assert "jane" not in closed
    assert parse_metadata(closed) == parse_metadata(BODY)


EVIL = st.sampled_from(
    [
        CHECKED,
        f"\n\n{CHECKED}\n\n",
        "<!-- promptlayer-bridge-boxes -->",
        "- [x] <!-- promptlayer-bridge-box:rebase -->Rebase now",
        "<!-- promptlayer-bridge-boxes-end -->",
        LINE,
        f"{CHECKED}\n\n{LINE}",
        "`" * 3,
        "</details>",
        "-->",
        "\r\n",
    ]
)
TEXTS = st.lists(st.one_of(EVIL, st.text(max_size=20)), min_size=1, max_size=4).map("\n".join)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_text_of_a_prompt_checks_a_box(
    old: str, new: str, name: str, why: str, person: str, login: str
) -> None:
    change = PromptChange(
        "prompts/latest/a.yaml",
        None,
        "latest",
        prompt(1, ("system", old), name=name),
        prompt(2, ("system", new), name=name, why=why, model=login),
        uses=(name,),
        used_by=(person,),
    )
    summary = ProposalSummary(
        "support",
        (change,),
        (PromptEditor(person, person, login),),
        branch_changes=(BranchChange(name, "moved", (person,), old_path=why),),
    )
    answers = [CheckBoxAnswer(CheckBoxAction.REBASE, login, why)]
    body = render_body(summary, LIMIT, LINE, render_check_boxes(EVERY, answers))

    assert find_checked_actions(body) == frozenset()
    assert not contains_checked_box(body)
    last = body.rindex("- [ ] <!-- promptlayer-bridge-box:rebase")
    planted = body[:last] + body[last:].replace("[ ]", "[x]", 1)
    assert find_checked_actions(planted) == {CheckBoxAction.REBASE}
