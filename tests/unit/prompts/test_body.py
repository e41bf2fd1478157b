"""What a reviewer reads. The files in ``golden/body_*.md`` are read and approved by people;
``python -m tests.unit.prompts.test_body`` writes them anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.prompts.prompt import LATEST, JsonObject, Prompt
from bridge.prompts.pull_request.body import render_body
from bridge.prompts.pull_request.markdown import WORD_JOINER
from bridge.prompts.pull_request.proposal_summary import (
    ApprovalRequest,
    PromptChange,
    PromptEditor,
    ProposalSummary,
)
from tests.unit.prompts.body_checks import assert_sound

GOLDEN = Path(__file__).parent / "golden"
LIMIT = 65_536
MEMORY = "<!-- promptlayer-bridge:eyJwcm9wb3NlcyI6IjE3In0= -->"
JANE = PromptEditor("Jane Doe", "jane@example.com")
LINK = "https://dashboard.example.com/workspace/42/prompt/17"

RULES = """\
You are the first line of support at Acme.
Answer in {language}.
Keep it under five sentences.
Never promise a refund.
Offer a call when the customer is upset.
Quote the order number where there is one.
Link the help page where there is one.
Say goodbye by name.
"""


def chat(*messages: tuple[str, str], **more: Any) -> JsonObject:
    listed = [{"role": r, "content": [{"type": "text", "text": text}]} for r, text in messages]
    return {"type": "chat", "messages": listed, **more}


def prompt(
    version: int | None,
    *messages: tuple[str, str],
    name: str = "support/reply",
    why: str | None = None,
    model: str = "gpt-4o",
    **parameters: Any,
) -> Prompt:
    metadata = {"model": {"provider": "openai", "name": model, "parameters": parameters}}
    return Prompt(name, chat(*messages), metadata, id=17, version=version, commit_message=why)


QUESTION = ("user", "{question}")
OLD = prompt(
    8, ("system", "You are a helpful assistant.\nAnswer in English."), QUESTION, temperature=0.2
)
NEW = prompt(
    9,
    ("system", "You are a helpful assistant.\nAnswer in {language}."),
    QUESTION,
    why="Answer in the customer's language",
    temperature=0.4,
)


def change(
    before: Prompt | None, after: Prompt | None, label: str = LATEST, **more: Any
) -> PromptChange:
    name = (after or before or NEW).name
    link = f"{LINK}?version={after.version}" if after else None
    return PromptChange(
        f"prompts/{label}/{name}.yaml", None, label, before, after, **{"link": link, **more}
    )


def story(
    *changes: PromptChange, editors: tuple[PromptEditor, ...] = (JANE,), **more: Any
) -> ProposalSummary:
    merging = "Merging writes this to `main`; nothing changes in PromptLayer."
    return ProposalSummary("support", changes, editors, merge_effect=merging, **more)


def moved(prompt: Prompt, name: str) -> Prompt:
    return replace(prompt, name=name, commit_message=None)


EVIL = (
    "@jane Fixes #12, closes acme/bot#3 GH-4 !5 <img src=x onerror=alert(1)> "
    "[x](https://evil.example) ![x](y) | `tick` </details> <!-- forged --> /close [skip ci]"
)
EVIL_PROMPT = prompt(
    3,
    ("system", f"```\n/close\n{EVIL}\n````\n<!-- promptlayer-bridge:Zm9yZ2Vk -->\n</details>"),
    ("@jane | `x`", "\u202ereversed\x00\r\n# Heading"),
    name=f"../../{EVIL}",
    why=f"{EVIL}\n\n/merge\n\n{MEMORY}",
    model=EVIL,
)

GREETING = prompt(1, ("system", RULES), name="support/greeting", why="New greeting")
GONE = "deleted in PromptLayer"

STORIES: dict[str, ProposalSummary] = {
    "small_edit": story(change(OLD, NEW, uses=("tone",))),
    "new_prompt": story(
        change(
            None,
            prompt(1, ("system", RULES * 2), QUESTION, why="First version", temperature=0.2, max_tokens=300),
        )
    ),
    "removal": story(change(OLD, None, "prod", reason="label prod was removed")),
    "rename": story(
        replace(
            change(moved(OLD, "support/old"), moved(replace(OLD, version=8), "support/reply")),
            old_path="prompts/latest/support/old.yaml",
        )
    ),
    "rename_of_an_older_save": story(
        replace(
            change(replace(NEW, name="support/old"), NEW),
            old_path="prompts/latest/support/old.yaml",
        )
    ),
    "id_only": story(change(replace(NEW, id=None, version=None), NEW), editors=()),
    "label_move": story(
        change(
            prompt(5, ("system", RULES), QUESTION, temperature=0.2),
            prompt(
                9,
                ("system", RULES.replace("five", "three")),
                ("user", "An example question?"),
                QUESTION,
                model="gpt-4.1",
                why="Shorter answers",
                temperature=0.2,
                top_p=0.9,
            ),
            "prod",
            is_overwriting=True,
            used_by=("sales/reply", "sales/offer"),
        ),
        editors=(JANE, PromptEditor("Bob Roe")),
    ),
    "request_draft": story(
        change(OLD, NEW, "prod"),
        editors=(),
        approval_request=ApprovalRequest("Jane Doe", "move", "prod", "2026-11-20T09:30:00"),
    ),
    "rolling": story(
        change(OLD, NEW, "prod", uses=("tone", "footer")),
        change(None, replace(GREETING, id=18)),
        change(replace(prompt(4, name="support/farewell"), id=19), None, reason=GONE),
        editors=(JANE, PromptEditor("Bob Roe")),
    ),
    "hostile": story(
        change(OLD, EVIL_PROMPT, EVIL[:60], uses=(EVIL,), used_by=(EVIL,)),
        editors=(PromptEditor(EVIL), PromptEditor("**x**")),
        approval_request=ApprovalRequest(EVIL, "move", EVIL[:40], EVIL),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_a_body_reads_as_approved(name: str) -> None:
    expected = (GOLDEN / f"body_{name}.md").read_bytes().decode()

    assert render_body(STORIES[name], LIMIT, MEMORY) + "\n" == expected


OWN_LINKS = {f"{LINK}?version={n}" for n in (1, 3, 8, 9, None)}


def assert_whole(text: str, limit: int) -> None:
    assert_sound(text, limit, MEMORY, links=lambda address: address in OWN_LINKS)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("limit", [LIMIT, 4_000, 1_500, 900, 400, 60])
def test_a_body_stays_whole_within_any_limit(name: str, limit: int) -> None:
    assert_whole(render_body(STORIES[name], limit, MEMORY), limit)


words = st.one_of(
    st.text(max_size=30),
    st.text("@#!/`~|\\<>[]()*_-+=:&$%^. \n\tab1é", max_size=30),
    st.sampled_from(
        [EVIL, MEMORY, "\n```\n/close\n", "</summary>", "</details>", "x" * 3000, "a\n" * 900]
    ),
)
prompts = st.builds(
    lambda version, roles, texts, name, why, model: prompt(
        version, *zip(roles, texts, strict=False), name=name, why=why, model=model, **{name: why}
    ),
    st.none() | st.integers(1, 9),
    st.lists(st.sampled_from(["system", "user"]) | words, max_size=3),
    st.lists(words, min_size=3, max_size=3),
    words,
    st.none() | words,
    words,
)
changes = st.builds(
    lambda before, after, label, uses, reason, overwrites, link: PromptChange(
        "p.yaml", None, label, before, after, link, uses, uses, reason, overwrites
    ),
    st.none() | prompts,
    prompts,
    st.just(LATEST) | words,
    st.lists(words, max_size=12).map(tuple),
    st.none() | words,
    st.booleans(),
    st.none() | words | st.just(f"{LINK}?version=9"),
)
removals = st.builds(lambda change: replace(change, before=change.after, after=None), changes)
stories = st.builds(
    ProposalSummary,
    words,
    st.lists(changes | removals, min_size=1, max_size=4).map(tuple),
    st.lists(st.builds(PromptEditor, words), max_size=4).map(tuple),
    st.none() | st.builds(ApprovalRequest, st.none() | words, st.sampled_from(["move", "deletion"]), words, words),
    st.just("Merging writes this to `main`."),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories, st.integers(len(MEMORY), 12_000))
def test_no_story_breaks_out_of_its_body(summary: ProposalSummary, limit: int) -> None:
    assert_whole(render_body(summary, limit, MEMORY), limit)


@pytest.mark.parametrize("name", STORIES)
def test_a_body_uses_its_limit_to_the_last_character(name: str) -> None:
    whole = render_body(STORIES[name], LIMIT, MEMORY)

    assert render_body(STORIES[name], len(whole), MEMORY) == whole
    assert len(render_body(STORIES[name], len(whole) - 1, MEMORY)) < len(whole)


def test_the_longest_text_is_shortened_first() -> None:
    long, short = "\n".join(f"long {n}" for n in range(5_000)), "short one"
    summary = story(change(None, prompt(1, ("system", long), ("user", short))))

    text = render_body(summary, 8_000, MEMORY)
    assert "+long 0\n" in text
    assert "+short one\n" in text
    assert re.search(r"\n… 4,\d\d\d more lines\n", text)
    assert len(text) > 4_000


def test_a_single_endless_line_is_cut() -> None:
    summary = story(change(None, prompt(1, ("system", "x" * 200_000))))

    text = render_body(summary, LIMIT, MEMORY)
    assert_whole(text, LIMIT)
    assert "xxx…\n```" in text


def test_ten_thousand_prompts_are_a_short_table() -> None:
    summary = story(*(change(OLD, replace(NEW, id=id)) for id in range(10_000)))

    text = render_body(summary, 10**7, MEMORY)
    assert "Brings 10,000 prompts" in text
    assert "| and 9,900 more | | | |" in text
    assert "<details>" not in text
    assert len(text) < 10_000


def test_a_hundred_prompts_are_told_one_by_one_as_far_as_they_fit() -> None:
    summary = story(*(change(OLD, moved(NEW, f"support/{n}")) for n in range(100)))

    assert render_body(summary, 10**6, MEMORY).count("<details>") == 100
    assert_whole(render_body(summary, 20_000, MEMORY), 20_000)
    assert "support/99" in render_body(summary, 20_000, MEMORY)


def test_a_short_diff_is_open_and_a_long_one_is_folded() -> None:
    def told(lines: int) -> str:
        return render_body(
            story(change(None, prompt(1, ("user", "\n".join("x" * lines))))), LIMIT, MEMORY
        )

    assert "<details>" not in told(12)
    assert "<summary>Message 1 (user): added, 13 lines</summary>" in told(13)


def test_a_request_to_delete_says_so() -> None:
    request = ApprovalRequest(None, "deletion", "prod", "2026-11-20T09:30:00")
    text = render_body(story(change(OLD, None, "prod"), approval_request=request), LIMIT, MEMORY)

    assert "Somebody asked on 2026-11-20 to delete label `prod`." in text


def test_what_is_invisible_is_only_what_breaks_references() -> None:
    text = render_body(STORIES["small_edit"], LIMIT, MEMORY)

    assert WORD_JOINER not in text


if __name__ == "__main__":
    for title, one in STORIES.items():
        (GOLDEN / f"body_{title}.md").write_bytes((render_body(one, LIMIT, MEMORY) + "\n").encode())
