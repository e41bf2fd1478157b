"""Two edits of one prompt made one: every word of either side is in it, or it is a conflict."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.planning.three_way_merge import merge_prompts
from bridge.prompts.prompt import Prompt
from bridge.repo.merge_file import merge_file as merge_files

LINES, MESSAGES, RUNS = 5, 3, 300

Edit = tuple[int, int, str]  # message, line, what is done there
edits = st.lists(
    st.tuples(
        st.integers(0, MESSAGES - 1),
        st.integers(0, LINES - 1),
        st.sampled_from(["word", "line", "message", "parameter"]),
    ),
    max_size=4,
)


def prompt(edited: list[Edit], whose: str) -> Prompt:
    """A prompt of several messages of several lines, with words of somebody's own in it."""
    lines = [[f"m{m}l{n}" for n in range(LINES)] for m in range(MESSAGES)]
    added: dict[int, str] = {}
    parameters = {"temperature": 0}
    for number, (message, line, deed) in enumerate(edited):
        word = f"{whose}{number}"
        if deed == "word":
            lines[message][line] += f" {word}"
        elif deed == "line":
            lines[message][line] += f"\n{word}"
        elif deed == "message":
            added[message] = word
        else:
            parameters[f"p{word}"] = number
    messages = []
    for number, text in enumerate(lines):
        messages.append({"role": "user", "content": "\n".join(text)})
        if number in added:
            messages.append({"role": "assistant", "content": added[number]})
    template = {"type": "chat", "messages": messages}
    return Prompt("reply", template, {"model": {"parameters": parameters}}, id=1, version=1)


def words(held: Prompt) -> set[str]:
    text = json.dumps([held.template, held.metadata]).replace("\\n", " ")
    return set(re.findall(r"[a-z]+\d+(?:l\d+)?", text))


def by_lines(before: str, platform: str, repository: str) -> str | None:
    merged = merge_files(*(f"{side}\n".encode() for side in (before, platform, repository)))
    return None if merged is None else merged.decode().removesuffix("\n")


@settings(max_examples=RUNS, deadline=None)
@given(edits, edits)
def test_merging_keeps_every_word_and_makes_up_none(ours: list[Edit], theirs: list[Edit]) -> None:
    ancestor = prompt([], "")
    platform = replace(prompt(ours, "ada"), version=2)
    repository = prompt(theirs, "sam")

    merged = merge_prompts(ancestor, platform, repository, by_lines)

    if not merged.conflicts:
        assert words(merged.prompt) == words(platform) | words(repository)
