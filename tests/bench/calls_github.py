"""``calls_new`` and ``calls_update`` on GitHub: requests for a first proposal with labels and
assignees, and for a newer version on an open pull request."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.forge.base import PullRequestContent
from tests.contract.github_case import github_case

BRANCH = "prompts/support/reply"
CONTENT = PullRequestContent("Reply", "Body", labels=("prompt",), assignees=("bob",))
GOALS = {"calls_new": 3, "calls_update": 2}


def measure() -> Iterator[dict[str, Any]]:
    """One figure for each goal; ``ratio`` is what was counted by what is allowed."""
    for name, calls in _counted().items():
        goal = GOALS[name]
        yield {
            "name": name,
            "value": calls,
            "unit": "requests, GitHub",
            "against": goal,
            "ratio": round(calls / goal, 3),
        }


def _counted() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder, github_case(Path(folder)) as case:
        case.seed_branch(BRANCH, {"reply.yaml": b"version: 1\n"})
        case.forge.pull_requests(BRANCH, "main")
        case.forge.create_pull_request(BRANCH, "main", CONTENT)
        new = case.calls
        (found,) = case.forge.pull_requests(BRANCH, "main")
        case.forge.update_pull_request(found, replace(CONTENT, body="Newer"))
        return {"calls_new": new, "calls_update": case.calls - new}


if __name__ == "__main__":
    for figure in measure():
        sys.stdout.write(json.dumps(figure) + "\n")
