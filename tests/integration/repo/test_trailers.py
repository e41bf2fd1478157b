"""What git itself makes of the commit messages that the bridge writes."""

from __future__ import annotations

import subprocess

import pytest

from bridge.prompts.pull_request.commit_message import render_commit_message
from bridge.prompts.pull_request.proposal_summary import PromptEditor, ProposalSummary
from tests.unit.prompts.test_commit_message import HOSTILE, change, prompt


def parsed_by_git(message: str) -> list[str]:
    command = ["git", "interpret-trailers", "--parse"]
    run = subprocess.run(command, input=message.encode(), capture_output=True, check=True)
    return run.stdout.decode().splitlines()


@pytest.mark.parametrize("text", HOSTILE)
def test_git_reads_the_trailers_and_none_that_are_forged(text: str) -> None:
    editors = (
        PromptEditor("Jane"),
        PromptEditor(text, "bob@example.com"),
        PromptEditor(text, text),
    )
    changes = change(prompt(text, version=8), prompt(text, message=text), text)
    message = render_commit_message(ProposalSummary(text, (changes,), editors))

    lines = parsed_by_git(message)
    assert [line.partition(":")[0] for line in lines] == [
        "PromptLayer-Prompt",
        "PromptLayer-Version",
        "PromptLayer-Label",
        "PromptLayer-Mapping",
        "Co-authored-by",
    ]
    assert lines[:2] == ["PromptLayer-Prompt: 17", "PromptLayer-Version: 9"]
    assert lines[4].endswith(" <bob@example.com>")
