"""The demo's steps from the repository to PromptLayer: merged files are published, and evaluations
reported on both sides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from bridge.forge.forge import PullRequest
from bridge.reconcile.review_comment import MARKER as REVIEW
from bridge.sandbox.demo_actions import (
    DEMO_EDITOR,
    DEMO_PROMPT_NAME,
    DEMO_PROMPT_PATH,
    DemoActions,
    require,
)
from bridge.sandbox.demo_environment import DEMO_LABEL, DEMO_MAPPING, DemoEnvironment, wait_until

_RESULTS = {
    "prompt": DEMO_PROMPT_NAME,
    "cases": [
        {"name": "refund", "score": 1.0, "input": "Where is my money?", "output": "On its way."},
        {"name": "rude", "score": 0.8, "input": "You are slow!", "output": "We are sorry."},
    ],
}


class DemoPublishSteps:
    """The steps; each waits for its effect."""

    def __init__(self, environment: DemoEnvironment) -> None:
        self.actions = DemoActions(environment)
        self.environment = environment
        self.forge = environment.forge
        self.engineer = environment.engineer

    def list_steps(self) -> list[tuple[str, Callable[[], PullRequest | None]]]:
        return [
            ("engineer's edit → merged → version on the platform", self.publish),
            ("second edit in a row → second version", self.publish_again),
            ("revert → version", self.revert),
            ("label moved back → proposal", self.revert_label),
            ("both sides edited → conflict pull request", self.edit_both_sides),
            ("evaluation results → status and comment", self.evaluate),
        ]

    def publish(self) -> PullRequest:
        """Merge the open pull requests first, so that both sides are in step."""
        self.forge.merge(self.actions.wait_for_only_pull_request().number, "squash")
        return self._edit("kindly", "by name", "Address people by name")

    def publish_again(self) -> PullRequest:
        return self._edit("by name", "with care", "Take care")

    def revert(self) -> PullRequest:
        return self._edit("with care", "by name", "Revert: take care")

    def _edit(self, old: str, new: str, why: str) -> PullRequest:
        """Merge an edit, and check that it becomes one version."""
        before = len(self.actions.registry_entry.versions)
        edit = self.engineer.edit(DEMO_PROMPT_PATH, old, new, why=why)
        wait_until(
            lambda: REVIEW in self.forge.read_comments(edit.number),
            "nobody status the engineer what merging will publish",
        )
        merged = self.engineer.merge(edit)
        wait_until(
            lambda: f"Answer {new}" in json.dumps(self.actions.registry_entry.latest.template),
            "the merged edit was not published",
        )
        made = len(self.actions.registry_entry.versions) - before
        require(made == 1, f"{made} versions were made of one edit")
        return merged

    def revert_label(self) -> PullRequest:
        """Move the label to the newest version and back: its file follows, and nothing moves the
        label again."""
        entry, file = self.actions.registry_entry, f"prompts/{DEMO_LABEL}/{DEMO_PROMPT_NAME}.yaml"
        registry = self.environment.registry
        registry.move_label(entry.id, DEMO_LABEL, entry.latest.number, actor=DEMO_EDITOR)
        self.forge.merge(self.actions.wait_for_pull_request(file, "by name").number, "squash")
        self.actions.wait_until_settled()
        registry.move_label(entry.id, DEMO_LABEL, 1, actor=DEMO_EDITOR)
        shown = self.actions.wait_for_pull_request(file, "kindly")
        self.actions.wait_until_settled()
        require(
            self.actions.registry_entry.labels[DEMO_LABEL].version == 1,
            "the label was moved forth again",
        )
        return self.forge.merge(shown.number, "squash")

    def edit_both_sides(self) -> PullRequest:
        self.actions.save_prompt("at length", "Longer answers")
        self.actions.wait_for_pull_request(DEMO_PROMPT_PATH, "at length")
        edit = self.engineer.edit(DEMO_PROMPT_PATH, "by name", "in verse", why="Answer in verse")
        self.engineer.merge(edit)
        wait_until(self._shows_both, "no pull request shows both texts")
        require(
            "Answer at length" in json.dumps(self.actions.registry_entry.latest.template),
            "PromptLayer's text was overwritten",
        )
        return self.actions.wait_for_only_pull_request()

    def _shows_both(self) -> bool:
        body = self.actions.wait_for_only_pull_request().body
        return all(words in body for words in ("Answer at length", "Answer in verse"))

    def evaluate(self) -> PullRequest:
        pull = self.actions.wait_for_only_pull_request()
        results = self.environment.folder / "results.json"
        results.write_text(json.dumps(_RESULTS), encoding="utf-8")
        self._push(results, pull)
        self.actions.wait_for_good_evaluation(pull)
        return pull

    def _push(self, results: Path, pull: PullRequest) -> None:
        """Run ``evals push`` as CI would."""
        words = (
            "evals",
            "push",
            str(results),
            "--mapping",
            DEMO_MAPPING,
            "--commit",
            pull.head_commit,
        )
        ended = subprocess.run(
            self.environment.command.build_arguments(*words, "--prompt", DEMO_PROMPT_NAME),
            env=self.environment.command.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        require(ended.returncode == 0, f"evals push failed: {ended.stderr.strip()}")
