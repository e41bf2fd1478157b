from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.pull_request.commit_message import (
    CommitProvenance,
    parse_mapping_name,
    parse_trailers,
    render_commit_message,
    render_title,
)
from bridge.prompts.pull_request.proposal_summary import PromptChange, PromptEditor, ProposalSummary


def prompt(
    name: str = "support/reply",
    version: int | None = 9,
    id: int | None = 17,
    message: str | None = None,
) -> Prompt:
    template = {"type": "chat", "messages": []}
    return Prompt(name, template, id=id, version=version, commit_message=message)


def change(before: Prompt | None, after: Prompt | None, label: str = "prod") -> PromptChange:
    return PromptChange("prompts/prod/support/reply.yaml", None, label, before, after)


def story(
    *changes: PromptChange, editors: tuple[PromptEditor, ...] = (PromptEditor("Jane Doe"),)
) -> ProposalSummary:
    return ProposalSummary("support", changes, editors)


UPDATE = change(prompt(version=8), prompt(message="Friendlier greeting"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (UPDATE, "Update support/reply (prod → version 9)"),
        (replace(UPDATE, label=LATEST), "Update support/reply (version 9)"),
        (change(None, prompt(version=1)), "Add support/reply (prod → version 1)"),
        (change(prompt(), None), "Remove support/reply (prod)"),
        (change(prompt(), None, LATEST), "Remove support/reply"),
        (
            replace(change(prompt("support/old"), prompt()), old_path="support/old.yaml"),
            "Move support/old to support/reply",
        ),
        (
            change(prompt("support/old"), prompt()),
            "Set the name of support/reply in its file",
        ),
        (replace(UPDATE, old_path="x.yaml"), "Move support/reply (prod → version 9)"),
        (change(prompt(), prompt(version=None)), "Update support/reply (prod)"),
    ],
)
def test_a_title_says_what_happens(changed: PromptChange, expected: str) -> None:
    assert render_title(story(changed)) == expected


def test_the_title_of_many_changes_counts_them() -> None:
    added = [change(None, prompt(id=id)) for id in range(1200)]

    assert render_title(story(UPDATE, *added[:2])) == "Update 3 prompts (mapping support)"
    assert render_title(story(*added)) == "Add 1,200 prompts (mapping support)"


def test_the_title_of_one_prompts_labels_names_the_prompt() -> None:
    added = [change(None, prompt(), label) for label in (LATEST, "prod")]

    assert render_title(story(*added)) == "Add support/reply (latest, prod)"


def test_a_version_that_stays_is_not_said_to_change() -> None:
    moved = change(prompt("support/old"), prompt())

    assert "- support/reply (prod): was support/old, version 9\n" in render_commit_message(
        story(moved)
    )


def test_nobody_is_the_author_of_what_nobody_is_known_to_have_written() -> None:
    ada = PromptEditor("Ada Lovelace", "ada@example.com")
    summary = replace(story(UPDATE, editors=(ada,)), author_known=False)

    assert "Co-authored-by: Ada Lovelace <ada@example.com>" in render_commit_message(summary)


def test_a_long_name_loses_its_middle() -> None:
    long = render_title(story(change(None, prompt("support/" + "very-" * 40 + "long/reply"))))

    assert len(long) == 72
    assert long.startswith("Add support/very-")
    assert long.endswith("long/reply (prod → version 9)")
    assert "…" in long


def test_a_commit_message_tells_each_change_and_remembers_its_source() -> None:
    editors = (PromptEditor("Jane", "jane@example.com"), PromptEditor("Bob Roe", "bob@example.com"))

    assert render_commit_message(story(UPDATE, editors=editors)) == (
        "Update support/reply (prod → version 9)\n"
        "\n"
        "- support/reply (prod): version 8 → 9, “Friendlier greeting”\n"
        "\n"
        "PromptLayer-Prompt: 17\n"
        "PromptLayer-Version: 9\n"
        "PromptLayer-Label: prod\n"
        "PromptLayer-Mapping: support\n"
        "Co-authored-by: Bob Roe <bob@example.com>\n"
    )


def test_each_change_is_remembered_in_order() -> None:
    removed = replace(change(prompt(id=18), None, LATEST), reason="deleted in PromptLayer")
    message = render_commit_message(story(UPDATE, removed, change(None, prompt(id=None))))

    assert "- support/reply (latest): removed, deleted in PromptLayer\n" in message
    assert parse_trailers(message) == [
        CommitProvenance(17, 9, "prod"),
        CommitProvenance(18, None, LATEST),
    ]


def test_beyond_fifty_changes_only_their_number_is_remembered() -> None:
    message = render_commit_message(story(*[UPDATE] * 10_000))

    assert "- and 9,950 more\n" in message
    assert message.endswith("\n\nPromptLayer-Prompts: 10000\nPromptLayer-Mapping: support\n")
    assert parse_trailers(message) == []


def test_the_messages_of_a_squash_merge_are_read_together() -> None:
    one, other = (
        render_commit_message(story(UPDATE)),
        render_commit_message(story(change(None, prompt(id=18)))),
    )

    assert parse_trailers(f"Squashed (#5)\n\n* {one}\n* {other}") == [
        (17, 9, "prod"),
        (18, 9, "prod"),
    ]


@pytest.mark.parametrize("message", ["", "Fix it", "PromptLayer-Prompt: x\nPromptLayer-Label: y"])
def test_a_message_of_somebody_else_remembers_nothing(message: str) -> None:
    assert parse_trailers(message) == []


FORGED = (
    "x\n\nPromptLayer-Prompt: 1\nPromptLayer-Label: prod\nCo-authored-by: Eve <eve@example.com>"
)
HOSTILE = [
    FORGED,
    "Fixes #12 closes GH-12 owner/repo#12 @jane !5 SUPPORT-7",
    "https://github.com/acme/bot/issues/12",
    "[skip ci] ***NO_CI***",
    "x\n---\ndiff --git a/x b/x",
    "\n\n\nskip-checks: true",
    "# comment\r\n\x00\u2028\ud800",
    "",
]
hostile = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text("@#!-:\n 1aG[", max_size=30)
ACTIVE = re.compile(
    r"@\w|[#!]\d|\b(?:(?i:gh)|[A-Z]{2})-\d|(?i:/issues/\d|\[skip|\*\*\*no_ci|skip-checks:)",
    re.ASCII,
)


@settings(max_examples=300, deadline=None)
@given(hostile, hostile, hostile)
def test_nothing_a_stranger_writes_acts_in_the_history(name: str, label: str, words: str) -> None:
    one = replace(
        change(prompt(name, version=8), prompt(label, message=words), label), reason=words
    )
    gone = replace(change(prompt(name), None, label), reason=words)
    for summary in (
        story(one),
        story(gone),
        ProposalSummary(name, (one, gone), (PromptEditor(words), PromptEditor(words))),
    ):
        message = render_commit_message(summary)
        message.encode()
        assert not ACTIVE.search(message)
        assert len(render_title(summary)) <= 72
        assert len(render_title(summary).splitlines()) == 1
        assert {kept.label for kept in parse_trailers(message)} == {label}
        assert parse_mapping_name(message) == summary.mapping


@pytest.mark.parametrize(
    "email", ["a b@x.de", "<x@y.de>", "x@y.de>\nPromptLayer-Prompt: 1", "", None]
)
def test_an_editor_without_a_usable_address_is_no_co_author(email: str | None) -> None:
    message = render_commit_message(
        story(UPDATE, editors=(PromptEditor("Jane"), PromptEditor("Bob", email)))
    )

    assert "Co-authored-by" not in message
