"""Titles and commit subjects by a template of ``bridge.yaml``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.commit_message import (
    parse_trailers,
    render_commit_message,
    render_title,
)
from bridge.prompts.pull_request.markdown import WORD_JOINER
from bridge.prompts.pull_request.proposal_summary import PromptChange, PromptEditor, ProposalSummary
from bridge.prompts.text_template import (
    FIELDS,
    SUBJECT_LIMIT,
    TemplateFields,
    check_text_template,
    fill_text_template,
)


def prompt(name: str = "support/reply", version: int = 9, message: str | None = None) -> Prompt:
    return Prompt(name, {"type": "chat"}, id=17, version=version, commit_message=message)


def story(*changes: PromptChange, editors: tuple[PromptEditor, ...] = ()) -> ProposalSummary:
    return ProposalSummary("support", changes, editors)


UPDATE = PromptChange(
    "reply.yaml", None, "prod", prompt(version=8), prompt(message="Shorter answers")
)
REMOVAL = PromptChange("reply.yaml", None, "prod", prompt("billing/due"), None)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{summary}", "Update support/reply (prod → version 9)"),
        ("feat(prompts): {action} {prompt}", "feat(prompts): update support/reply"),
        ("BOT-1 {summary}", "BOT-1 Update support/reply (prod → version 9)"),
        ("{mapping}/{label}: {prompt} v{version}", "support/prod: support/reply v9"),
        ("chore({mapping}): {message}", "chore(support): Shorter answers"),
    ],
)
def test_a_template_makes_the_title_and_the_subject(template: str, expected: str) -> None:
    assert render_title(story(UPDATE), template) == expected
    assert render_commit_message(story(UPDATE), template).startswith(
        f"{expected}\n\n- support/reply"
    )


def test_fields_of_several_prompts_say_what_they_share() -> None:
    both = story(UPDATE, REMOVAL)

    assert (
        render_title(both, "feat: {action} {prompt} ({label})") == "feat: update 2 prompts (prod)"
    )


def test_brackets_around_nothing_go_and_an_empty_title_is_the_summary() -> None:
    assert render_title(story(REMOVAL), "{action} {prompt} ({version})") == "remove billing/due"
    assert render_title(story(REMOVAL), "{message}") == "Remove billing/due (prod)"


def test_what_fills_a_field_acts_nowhere_and_the_words_of_the_template_do() -> None:
    hostile = PromptChange(
        "x.yaml", None, "prod", None, prompt("@jane #12", message="[skip ci] fixes #1")
    )

    told = render_title(story(hostile), "[skip ci] SUPPORT-1 {prompt}: {message}")

    assert told.startswith("[skip ci] SUPPORT-1 @")
    assert told.count("[skip ci]") == 1
    assert f"@{WORD_JOINER}jane #{WORD_JOINER}12" in told


def test_the_bot_as_the_author_leaves_every_editor_a_co_author() -> None:
    jane = PromptEditor("Jane Doe", "jane@example.com")

    assert "Co-authored-by" not in render_commit_message(story(UPDATE, editors=(jane,)))
    told = render_commit_message(story(UPDATE, editors=(jane,)), editor_is_author=False)
    assert "Co-authored-by: Jane Doe <jane@example.com>\n" in told
    assert [each.version for each in parse_trailers(told)] == [9]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("feat: {promt}", "has no field {promt}; there are {summary}, {prompt}"),
        ("feat: {prompt", "has a brace without its partner"),
        ("Prompt change", "needs a field"),
        ("{prompt}\n{label}", "one line"),
        (" {prompt}", "blanks"),
        ("x" * 40 + "{prompt}", "leaves no room"),
    ],
)
def test_a_template_that_cannot_be_filled_is_told(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_text_template(template)


@given(
    st.lists(st.sampled_from([f"{{{name}}}" for name in FIELDS]), min_size=1, max_size=4),
    st.lists(st.text(max_size=200), min_size=7, max_size=7),
)
def test_whatever_fills_a_template_it_is_one_line_that_fits(
    fields: list[str], values: list[str]
) -> None:
    template = "feat: " + " ".join(fields)

    told = fill_text_template(template, TemplateFields("Update it", *values[1:]))

    assert 0 < len(told) <= SUBJECT_LIMIT
    assert told.splitlines() == [told]
