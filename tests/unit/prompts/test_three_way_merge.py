"""Two edits of one prompt meet."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.planning.three_way_merge import merge_prompts
from bridge.prompts.prompt import Prompt


def prompt(*texts: str, temperature: float = 0.2, version: int = 1, **parameters: Any) -> Prompt:
    messages = [{"role": "user", "content": [{"type": "text", "text": text}]} for text in texts]
    model = {"name": "gpt-4o", "parameters": {"temperature": temperature, **parameters}}
    return Prompt(
        "reply", {"type": "chat", "messages": messages}, {"model": model}, id=1, version=version
    )


def texts(merged: Prompt) -> list[str]:
    return [message["content"][0]["text"] for message in merged.template["messages"]]


def test_edits_of_different_messages_meet_in_one_prompt() -> None:
    merged = merge_prompts(prompt("a", "b"), prompt("A", "b", version=2), prompt("a", "B"))

    assert merged.conflicts == ()
    assert texts(merged.prompt) == ["A", "B"]
    assert merged.prompt.version == 2


def test_a_parameter_and_a_message_do_not_conflict() -> None:
    merged = merge_prompts(prompt("a"), prompt("a", temperature=0.9), prompt("A", top_p=1))

    assert merged.conflicts == ()
    assert merged.prompt.metadata["model"]["parameters"] == {"temperature": 0.9, "top_p": 1}
    assert texts(merged.prompt) == ["A"]


def test_a_message_that_one_side_adds_and_an_edit_of_another_meet() -> None:
    merged = merge_prompts(prompt("a", "b"), prompt("a", "b", "c"), prompt("A", "b"))

    assert merged.conflicts == ()
    assert texts(merged.prompt) == ["A", "b", "c"]


def test_both_edits_of_one_text_are_told_and_the_platforms_is_proposed() -> None:
    merged = merge_prompts(prompt("a"), prompt("platform"), prompt("repository"))

    assert texts(merged.prompt) == ["platform"]
    [conflict] = merged.conflicts
    assert conflict.place == "messages[0].content[0].text"
    assert (conflict.before, conflict.platform, conflict.repository) == (
        "a",
        "platform",
        "repository",
    )


def test_an_edit_of_what_the_other_side_removed_is_a_conflict() -> None:
    merged = merge_prompts(prompt("a", "b"), prompt("a"), prompt("a", "B"))

    assert len(merged.conflicts) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=8,
)
templates = st.fixed_dictionaries(
    {"type": st.just("chat"), "messages": st.lists(json_values, max_size=4)}
)


@settings(max_examples=300, deadline=None)
@given(templates, templates)
def test_an_edit_of_one_side_alone_is_taken_as_it_is(before: Any, after: Any) -> None:
    one, other = Prompt("p", before), Prompt("p", after)

    assert merge_prompts(one, other, one).prompt.template == after
    assert merge_prompts(one, one, other).prompt.template == after
    assert merge_prompts(one, other, other).conflicts == ()


@settings(max_examples=300, deadline=None)
@given(templates, templates, templates)
def test_merging_never_changes_its_inputs_and_the_order_only_matters_in_conflicts(
    before: Any, platform: Any, repository: Any
) -> None:
    inputs = copy.deepcopy((before, platform, repository))
    merged = merge_prompts(Prompt("p", before), Prompt("p", platform), Prompt("p", repository))
    swapped = merge_prompts(Prompt("p", before), Prompt("p", repository), Prompt("p", platform))

    assert (before, platform, repository) == inputs
    assert bool(merged.conflicts) == bool(swapped.conflicts)
