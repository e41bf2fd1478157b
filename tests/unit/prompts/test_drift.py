"""Who moved? Told from three versions of one prompt: the platform's, the file's, the one between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from bridge.prompts.agreement import Agreement, DeclinedText
from bridge.prompts.canonical_form import canonicalise_template
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.planning.drift import STANDINGS as TABLE
from bridge.prompts.planning.drift import BaseBranchFile, DriftStatus, SideStatus, compare_sides
from bridge.prompts.prompt import JsonObject, Prompt, PromptFile

from .strategies import random_templates

UNCHANGED, CHANGED, UNKNOWN = SideStatus.UNCHANGED, SideStatus.CHANGED, SideStatus.UNKNOWN
PATH = "prompts/prod/support/reply.yaml"


def prompt(text: str, version: int | None = 1, **changed: object) -> Prompt:
    template = {"type": "chat", "messages": [{"role": "user", "content": text}]}
    made = Prompt("support/reply", canonicalise_template(template), id=17, version=version)
    return replace(made, **changed)  # type: ignore[arg-type]


def file_of(held: Prompt | None, problem: str | None = None) -> BaseBranchFile:
    return BaseBranchFile(PATH, b"", held, problem)


ONE, TWO, EDITED = prompt("one", 1), prompt("two", 2), prompt("edited", 1)


def on(held: Prompt, *, declined: DeclinedText | None = None) -> Agreement:
    """Both sides agreed on this, and something was declined since."""
    return Agreement(held.digest, held.digest, held.version, "c" * 40, declined)


def declined(held: Prompt, file: Prompt | None) -> DeclinedText:
    """While the file said so; as a pull request remembers it."""
    return DeclinedText(held.digest[:12], file.digest[:12] if file else "", held.version)


BROKEN = file_of(None, "a.yaml:3: expected a text")
UNREADABLE = "the file cannot be read: a.yaml:3: expected a text"

STANDINGS = {
    "nothing anywhere": (None, None, None, DriftStatus.IN_STEP, "on neither side"),
    "gone from both": (None, None, on(ONE), DriftStatus.IN_STEP, "on neither side"),
    "new in PromptLayer": (
        *(ONE, None, None),
        *(DriftStatus.PLATFORM_AHEAD, "not in the repository yet"),
    ),
    "removed from the repository": (
        *(ONE, None, on(ONE)),
        *(
            DriftStatus.REPOSITORY_AHEAD,
            "removed from the repository: delete the prompt in PromptLayer, or restore the file",
        ),
    ),
    "removed from the repository, and saved": (
        *(TWO, None, on(ONE)),
        *(
            DriftStatus.PLATFORM_AHEAD,
            "version 2 in PromptLayer, and its file was removed from the repository",
        ),
    ),
    "declined before there was a file": (
        *(ONE, None, Agreement(None, None, None, None, declined(ONE, None))),
        *(DriftStatus.PLATFORM_AHEAD, "not in the repository yet"),
    ),
    "gone from PromptLayer": (
        *(None, file_of(ONE), on(ONE)),
        *(DriftStatus.PLATFORM_AHEAD, "no longer in PromptLayer"),
    ),
    "gone from PromptLayer, and nothing tells more": (
        *(None, file_of(ONE), None),
        *(DriftStatus.PLATFORM_AHEAD, "no longer in PromptLayer"),
    ),
    "gone from PromptLayer, and edited": (
        *(None, file_of(EDITED), on(ONE)),
        *(DriftStatus.BOTH_MOVED, "no longer in PromptLayer, and edited in the repository"),
    ),
    "gone, and the file cannot be read": (
        *(None, BROKEN, None),
        *(DriftStatus.PLATFORM_AHEAD, "no longer in PromptLayer"),
    ),
    "the file cannot be read, and nothing tells more": (
        *(ONE, BROKEN, None),
        *(DriftStatus.BOTH_MOVED, UNREADABLE),
    ),
    "the file cannot be read": (ONE, BROKEN, on(ONE), DriftStatus.BOTH_MOVED, UNREADABLE),
    "the file cannot be read, and saved": (
        *(TWO, BROKEN, on(ONE)),
        *(DriftStatus.BOTH_MOVED, f"version 2 in PromptLayer, and {UNREADABLE}"),
    ),
    "the same": (ONE, file_of(ONE), None, DriftStatus.IN_STEP, "same content"),
    "the same under another number": (
        *(prompt("one", 3), file_of(ONE), on(ONE)),
        *(DriftStatus.IN_STEP, "same content"),
    ),
    "renamed": (
        *(prompt("one", name="support/answer"), file_of(ONE), None),
        *(
            DriftStatus.PLATFORM_AHEAD,
            "the file says `name: support/reply`, and PromptLayer calls it 'support/answer'",
        ),
    ),
    "a file without an id": (
        *(ONE, file_of(prompt("one", id=None)), None),
        *(DriftStatus.PLATFORM_AHEAD, "the file does not carry its id yet"),
    ),
    "saved in PromptLayer": (
        *(TWO, file_of(ONE), on(ONE)),
        *(DriftStatus.PLATFORM_AHEAD, "version 2 in PromptLayer"),
    ),
    "moved back in PromptLayer": (
        *(ONE, file_of(TWO), on(TWO)),
        *(DriftStatus.PLATFORM_AHEAD, "version 1 in PromptLayer"),
    ),
    "edited in the repository": (
        *(ONE, file_of(EDITED), on(ONE)),
        *(DriftStatus.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "edited, and saved without a change": (
        *(prompt("one", 2), file_of(EDITED), on(ONE)),
        *(DriftStatus.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "declined": (
        *(TWO, file_of(ONE), on(ONE, declined=declined(TWO, ONE))),
        *(DriftStatus.PLATFORM_AHEAD, "version 2 in PromptLayer"),
    ),
    "declined when both had moved": (
        *(TWO, file_of(EDITED), on(ONE, declined=declined(TWO, EDITED))),
        *(DriftStatus.BOTH_MOVED, "version 2 in PromptLayer, and edited in the repository"),
    ),
    "edited after a decline": (
        *(TWO, file_of(EDITED), on(ONE, declined=declined(TWO, ONE))),
        *(DriftStatus.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "a new file after a decline": (
        *(ONE, file_of(EDITED), Agreement(None, None, None, None, declined(ONE, None))),
        *(DriftStatus.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "saved after a decline": (
        *(prompt("three", 3), file_of(ONE), on(ONE, declined=declined(TWO, ONE))),
        *(DriftStatus.PLATFORM_AHEAD, "version 3 in PromptLayer"),
    ),
    "saved and edited after a decline": (
        *(prompt("three", 3), file_of(EDITED), on(ONE, declined=declined(TWO, ONE))),
        *(DriftStatus.BOTH_MOVED, "version 3 in PromptLayer, and edited in the repository"),
    ),
    "edited on both sides": (
        *(TWO, file_of(EDITED), on(ONE)),
        *(DriftStatus.BOTH_MOVED, "version 2 in PromptLayer, and edited in the repository"),
    ),
    "edited alike on both sides": (
        *(prompt("edited", 2), file_of(EDITED), on(ONE)),
        *(DriftStatus.IN_STEP, "same content"),
    ),
    "written by hand": (
        *(ONE, file_of(prompt("other", None)), None),
        *(
            DriftStatus.BOTH_MOVED,
            "version 1 in PromptLayer, and nothing tells when both last said the same",
        ),
    ),
}


@pytest.mark.parametrize(
    ("platform", "base", "agreed", "standing", "reason"), STANDINGS.values(), ids=STANDINGS
)
def test_every_standing_has_its_reason(
    platform: Prompt | None,
    base: BaseBranchFile | None,
    agreed: Agreement | None,
    standing: DriftStatus,
    reason: str,
) -> None:
    compared = compare_sides(platform, base, agreed)

    assert (compared.status, compared.reason) == (standing, reason)


def test_the_table_has_every_pair_of_states_that_can_be() -> None:
    """One side is unknown exactly where no agreement is, and then so is the other. Where none of
    them changed both say the same."""
    known, unknown = {UNCHANGED, CHANGED}, {UNKNOWN}
    alone = {SideStatus.ABSENT, SideStatus.UNREADABLE}
    possible = {(p, f) for p in known for f in known | alone} - {(UNCHANGED, UNCHANGED)}
    possible |= {(p, f) for p in unknown for f in unknown | alone}
    possible |= {(SideStatus.ABSENT, f) for f in known | unknown | alone}

    assert possible == TABLE.keys()


def test_every_cell_of_the_table_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = set()

    class Watched(dict[tuple[SideStatus, SideStatus], tuple[DriftStatus, str]]):
        def __getitem__(self, key: tuple[SideStatus, SideStatus]) -> tuple[DriftStatus, str]:
            reached.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr("bridge.prompts.planning.drift.STANDINGS", Watched(TABLE))
    for platform, base, agreed, *_ in STANDINGS.values():
        compare_sides(platform, base, agreed)

    assert reached == TABLE.keys()


@pytest.mark.parametrize("standing", DriftStatus)
def test_only_what_the_platform_has_new_is_proposed(standing: DriftStatus) -> None:
    cases = [case for case in STANDINGS.values() if case[3] is standing]

    expected = standing in (DriftStatus.PLATFORM_AHEAD, DriftStatus.BOTH_MOVED)
    assert cases
    assert all(compare_sides(*case[:3]).has_platform_changes is expected for case in cases)


def test_a_file_that_says_another_label_than_its_own_is_put_right() -> None:
    copied = replace(file_of(ONE), label="latest")

    assert compare_sides(ONE, copied, None, "prod").status is DriftStatus.PLATFORM_AHEAD
    assert compare_sides(ONE, copied, None, "latest").status is DriftStatus.IN_STEP


@given(random_templates)
@settings(max_examples=150, deadline=None)
def test_a_prompt_is_in_step_with_its_own_file(template: JsonObject) -> None:
    held = Prompt("support/reply", canonicalise_template(template), id=17, version=3)

    text = render_prompt_file(PromptFile(held, "prod"))

    base = BaseBranchFile(PATH, text.encode(), parse_prompt_file(text, path=PATH).prompt)
    assert compare_sides(held, base, None).status is DriftStatus.IN_STEP
