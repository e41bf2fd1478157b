"""Titles and commit subjects by a template of ``bridge.yaml``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.prompts.markdown import JOINER
from bridge.prompts.prompt import Prompt
from bridge.prompts.story import Change, Editor, Story
from bridge.prompts.text import commit_message, title, trailers
from bridge.prompts.text_template import (
    FIELDS,
    SUBJECT_LIMIT,
    TemplateFields,
    check_text_template,
    fill_text_template,
)


def prompt(name: str = "support/reply", version: int = 9, message: str | None = None) -> Prompt:
    return Prompt(name, {"type": "chat"}, id=17, version=version, commit_message=message)


def story(*changes: Change, editors: tuple[Editor, ...] = ()) -> Story:
    return Story("support", changes, editors)


UPDATE = Change("reply.yaml", None, "prod", prompt(version=8), prompt(message="Shorter answers"))
REMOVAL = Change("reply.yaml", None, "prod", prompt("billing/due"), None)


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
    assert title(story(UPDATE), template) == expected
    assert commit_message(story(UPDATE), template).startswith(f"{expected}\n\n- support/reply")


def test_fields_of_several_prompts_say_what_they_share() -> None:
    both = story(UPDATE, REMOVAL)

    assert title(both, "feat: {action} {prompt} ({label})") == "feat: update 2 prompts (prod)"


def test_brackets_around_nothing_go_and_an_empty_title_is_the_summary() -> None:
    assert title(story(REMOVAL), "{action} {prompt} ({version})") == "remove billing/due"
    assert title(story(REMOVAL), "{message}") == "Remove billing/due (prod)"


def test_what_fills_a_field_acts_nowhere_and_the_words_of_the_template_do() -> None:
    hostile = Change(
        "x.yaml", None, "prod", None, prompt("@jane #12", message="[skip ci] fixes #1")
    )

    told = title(story(hostile), "[skip ci] SUPPORT-1 {prompt}: {message}")

    assert told.startswith("[skip ci] SUPPORT-1 @")
    assert told.count("[skip ci]") == 1
    assert f"@{JOINER}jane #{JOINER}12" in told


def test_the_bot_as_the_author_leaves_every_editor_a_co_author() -> None:
    jane = Editor("Jane Doe", "jane@example.com")

    assert "Co-authored-by" not in commit_message(story(UPDATE, editors=(jane,)))
    told = commit_message(story(UPDATE, editors=(jane,)), editor_is_author=False)
    assert "Co-authored-by: Jane Doe <jane@example.com>\n" in told
    assert [each.version for each in trailers(told)] == [9]


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
