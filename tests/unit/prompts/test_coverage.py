"""Which settings take no prompt in, and what may have been meant."""

from __future__ import annotations

import pytest

from bridge.prompts.coverage import Coverage, PromptSummary, find_closest_pattern
from bridge.prompts.prompt import LATEST
from bridge.prompts.selection import PromptSelection

REPLY = PromptSummary(1, "support/reply", ("prod", "eu"), "Support/German")
THANK = PromptSummary(2, "support/thank", ("prod",), "Support")
PITCH = PromptSummary(3, "sales/pitch", (), None)
ALL = (REPLY, THANK, PITCH)


def told(selection: PromptSelection, track: tuple[str, ...] = (LATEST,)) -> list[str]:
    """What is told where prod is on two prompts and staging on one."""
    labelled = {LATEST: ALL, "prod": (REPLY, THANK), "staging": (PITCH,)}
    listed = {label: labelled.get(label, ()) for label in track}
    coverage = Coverage("support", selection, listed, ALL, lambda: {"prod", "staging"})
    return [gap.message for gap in coverage.find_gaps()]


NOTHING = {
    "a label": (
        PromptSelection(("**",)),
        ("prodd",),
        "none has the label prodd (there are prod, staging): did you mean prod?",
    ),
    "a wrong folder of a name": (
        PromptSelection(("suport/*",)),
        (LATEST,),
        "no name matches suport/*: did you mean support/*?",
    ),
    "a slash in front": (
        PromptSelection(("/support/*",)),
        (LATEST,),
        "no name matches /support/*: did you mean support/*?",
    ),
    "wrong capitals": (
        PromptSelection(("Support/*",)),
        (LATEST,),
        "no name matches Support/*: did you mean support/*?",
    ),
    "a name with a typo": (
        PromptSelection(("support/replly",)),
        (LATEST,),
        "no name matches support/replly: did you mean support/reply?",
    ),
    "a tag": (
        PromptSelection(tags=("prdo",)),
        (LATEST,),
        "none has the tag prdo (there are eu, prod): did you mean prod?",
    ),
    "a folder": (
        PromptSelection(folder="Suport"),
        (LATEST,),
        "none is in the folder Suport (there are Support, Support/German): did you mean Support?",
    ),
    "all together": (
        PromptSelection(("sales/*",), ("prod",)),
        (LATEST,),
        "each of its settings holds for some, and all together for none",
    ),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_mapping_that_follows_nothing_is_told_with_what_may_have_been_meant(case: str) -> None:
    selection, track, words = NOTHING[case]

    assert told(selection, track) == [f"mapping support follows 0 of 3 prompts: {words}"]


def test_a_label_of_several_that_nothing_has_is_told() -> None:
    assert told(PromptSelection(("**",)), ("prod", "stagin")) == [
        "mapping support follows 2 of 3 prompts, and none has the label stagin (there are prod,"
        " staging): did you mean staging?"
    ]


def test_a_pattern_of_several_that_matches_nothing_is_told() -> None:
    assert told(PromptSelection(("support/*", "sale/*", "!support/x"))) == [
        "mapping support follows 2 of 3 prompts, and no name matches sale/*: did you mean sales/*?",
        "mapping support follows 2 of 3 prompts, and no name matches !support/x",
    ]


def test_settings_that_all_take_something_in_are_not_told() -> None:
    assert told(PromptSelection(("support/*",), ("prod",), "Support"), (LATEST, "prod")) == []


def test_a_workspace_without_prompts_is_no_reason_to_tell() -> None:
    coverage = Coverage("support", PromptSelection(("x",)), {LATEST: ()}, (), set)

    assert coverage.find_gaps() == ()


def test_nothing_is_suggested_where_nothing_is_like_it() -> None:
    assert find_closest_pattern("warehouse/*", ["support/reply"]) is None
