"""Who moved? Told from three versions of one prompt: the platform's, the file's, the one between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from bridge.prompts.canonical import canonical_template
from bridge.prompts.compare import BaseFile, Standing, compare
from bridge.prompts.file import parse, render
from bridge.prompts.prompt import JsonObject, Prompt, PromptFile

from .strategies import random_templates

PATH = "prompts/prod/support/reply.yaml"


def prompt(text: str, version: int | None = 1, **changed: object) -> Prompt:
    template = {"type": "chat", "messages": [{"role": "user", "content": text}]}
    made = Prompt("support/reply", canonical_template(template), id=17, version=version)
    return replace(made, **changed)  # type: ignore[arg-type]


def file_of(held: Prompt | None, problem: str | None = None) -> BaseFile:
    return BaseFile(PATH, b"", held, problem)


ONE, TWO = prompt("one", 1), prompt("two", 2)

STANDINGS = {
    "nothing anywhere": (None, None, None, Standing.IN_STEP, "on neither side"),
    "new in PromptLayer": (
        *(ONE, None, None),
        *(Standing.PLATFORM_AHEAD, "not in the repository yet"),
    ),
    "gone from PromptLayer": (
        *(None, file_of(ONE), None),
        *(Standing.PLATFORM_AHEAD, "no longer in PromptLayer"),
    ),
    "gone, and the file cannot be read": (
        *(None, file_of(None, "line 3: no"), None),
        *(Standing.PLATFORM_AHEAD, "no longer in PromptLayer"),
    ),
    "the file cannot be read": (
        *(ONE, file_of(None, "a.yaml:3: expected a text"), None),
        *(Standing.BOTH_MOVED, "the file cannot be read: a.yaml:3: expected a text"),
    ),
    "the same": (ONE, file_of(ONE), None, Standing.IN_STEP, "same content"),
    "the same under another number": (
        *(prompt("one", 3), file_of(ONE), ONE),
        *(Standing.IN_STEP, "same content"),
    ),
    "renamed": (
        *(prompt("one", name="support/answer"), file_of(ONE), None),
        *(Standing.PLATFORM_AHEAD, "renamed in PromptLayer to 'support/answer'"),
    ),
    "a file without an id": (
        *(ONE, file_of(prompt("one", id=None)), None),
        *(Standing.PLATFORM_AHEAD, "the file does not carry its id yet"),
    ),
    "saved in PromptLayer": (
        *(TWO, file_of(ONE), ONE),
        *(Standing.PLATFORM_AHEAD, "version 2 in PromptLayer"),
    ),
    "moved back in PromptLayer": (
        *(ONE, file_of(TWO), TWO),
        *(Standing.PLATFORM_AHEAD, "version 1 in PromptLayer"),
    ),
    "edited in the repository": (
        *(ONE, file_of(prompt("edited", 1)), ONE),
        *(Standing.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "edited, and saved without a change": (
        *(prompt("one", 2), file_of(prompt("edited", 1)), ONE),
        *(Standing.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "edited on both sides": (
        *(TWO, file_of(prompt("edited", 1)), ONE),
        *(Standing.BOTH_MOVED, "version 2 in PromptLayer, and edited in the repository"),
    ),
    "edited alike on both sides": (
        *(prompt("edited", 2), file_of(prompt("edited", 1)), ONE),
        *(Standing.IN_STEP, "same content"),
    ),
    "written by hand": (
        *(ONE, file_of(prompt("other", None)), None),
        *(Standing.BOTH_MOVED, "the file does not name the version it came from"),
    ),
}


@pytest.mark.parametrize(
    ("platform", "base", "ancestor", "standing", "reason"), STANDINGS.values(), ids=STANDINGS
)
def test_every_standing_has_its_reason(
    platform: Prompt | None,
    base: BaseFile | None,
    ancestor: Prompt | None,
    standing: Standing,
    reason: str,
) -> None:
    compared = compare(platform, base, ancestor)

    assert (compared.standing, compared.reason) == (standing, reason)


@pytest.mark.parametrize("standing", Standing)
def test_only_what_the_platform_has_new_is_proposed(standing: Standing) -> None:
    cases = [case for case in STANDINGS.values() if case[3] is standing]

    expected = standing in (Standing.PLATFORM_AHEAD, Standing.BOTH_MOVED)
    assert cases
    assert all(compare(*case[:3]).proposes is expected for case in cases)


@given(random_templates)
@settings(max_examples=150, deadline=None)
def test_a_prompt_is_in_step_with_its_own_file(template: JsonObject) -> None:
    held = Prompt("support/reply", canonical_template(template), id=17, version=3)

    text = render(PromptFile(held, "prod"))

    base = BaseFile(PATH, text.encode(), parse(text, path=PATH).prompt)
    assert compare(held, base, None).standing is Standing.IN_STEP
