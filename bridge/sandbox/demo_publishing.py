"""The demo's way back: what is merged becomes a version in PromptLayer, and what was evaluated is
told on both sides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from bridge.evals.telling import MARKER, STATUS
from bridge.forge.base import PullRequest, StatusState
from bridge.sandbox.demo_hand import JANE, PATH, PROMPT, Hand, expect
from bridge.sandbox.scene import LABEL, MAPPING, Scene, wait_for
from bridge.steps.review import MARKER as REVIEW

_RESULTS = {
    "prompt": PROMPT,
    "cases": [
        {"name": "refund", "score": 1.0, "input": "Where is my money?", "output": "On its way."},
        {"name": "rude", "score": 0.8, "input": "You are slow!", "output": "We are sorry."},
    ],
}


class Publishing:
    """Each act waits for what it should bring about."""

    def __init__(self, scene: Scene) -> None:
        self.hand = Hand(scene)
        self.scene = scene
        self.forge = scene.forge
        self.engineer = scene.engineer

    def acts(self) -> list[tuple[str, Callable[[], PullRequest | None]]]:
        return [
            ("engineer's edit → merged → version on the platform", self.publish),
            ("second edit in a row → second version", self.publish_again),
            ("revert → version", self.revert),
            ("label moved back → proposal", self.roll_back),
            ("both sides edited → conflict pull request", self.meet),
            ("evaluation results → status and comment", self.evaluate),
        ]

    def publish(self) -> PullRequest:
        """What was open is merged first, so that both sides start in step."""
        self.forge.merge(self.hand.only_open().number, "squash")
        return self._edit("kindly", "by name", "Address people by name")

    def publish_again(self) -> PullRequest:
        return self._edit("by name", "with care", "Take care")

    def revert(self) -> PullRequest:
        return self._edit("with care", "by name", "Revert: take care")

    def _edit(self, old: str, new: str, why: str) -> PullRequest:
        """An edit that is merged becomes one version."""
        before = len(self.hand.entry.versions)
        edit = self.engineer.edit(PATH, old, new, why=why)
        wait_for(
            lambda: REVIEW in self.forge.comments(edit.number),
            "nobody told the engineer what merging will publish",
        )
        merged = self.engineer.merge(edit)
        wait_for(
            lambda: f"Answer {new}" in json.dumps(self.hand.entry.latest.template),
            "the merged edit was not published",
        )
        made = len(self.hand.entry.versions) - before
        expect(made == 1, f"{made} versions were made of one edit")
        return merged

    def roll_back(self) -> PullRequest:
        """The label's file follows it forth and back, and nothing moves it forth again."""
        entry, file = self.hand.entry, f"prompts/{LABEL}/{PROMPT}.yaml"
        registry = self.scene.registry
        registry.move_label(entry.id, LABEL, entry.latest.number, actor=JANE)
        self.forge.merge(self.hand.open(file, "by name").number, "squash")
        self.hand.settle()
        registry.move_label(entry.id, LABEL, 1, actor=JANE)
        shown = self.hand.open(file, "kindly")
        self.hand.settle()
        expect(self.hand.entry.labels[LABEL].version == 1, "the label was moved forth again")
        return self.forge.merge(shown.number, "squash")

    def meet(self) -> PullRequest:
        self.hand.save("at length", "Longer answers")
        self.hand.open(PATH, "at length")
        edit = self.engineer.edit(PATH, "by name", "in verse", why="Answer in verse")
        self.engineer.merge(edit)
        wait_for(self._shows_both, "no pull request shows both texts")
        expect(
            "Answer at length" in json.dumps(self.hand.entry.latest.template),
            "PromptLayer's text was overwritten",
        )
        return self.hand.only_open()

    def _shows_both(self) -> bool:
        body = self.hand.only_open().body
        return all(words in body for words in ("Answer at length", "Answer in verse"))

    def evaluate(self) -> PullRequest:
        pull = self.hand.only_open()
        results = self.scene.folder / "results.json"
        results.write_text(json.dumps(_RESULTS), encoding="utf-8")
        self._push(results, pull)
        told = self.forge.statuses(pull.head_commit).get(STATUS)
        expect(told is not None and told.state is StatusState.SUCCESS, "the commit has no status")
        expect(MARKER in self.forge.comments(pull.number), "the pull request has no comment")
        return pull

    def _push(self, results: Path, pull: PullRequest) -> None:
        """``evals push``, as CI would call it."""
        words = ("evals", "push", str(results), "--mapping", MAPPING, "--commit", pull.head_commit)
        ended = subprocess.run(
            self.scene.command.of(*words, "--prompt", PROMPT),
            env=self.scene.command.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        expect(ended.returncode == 0, f"evals push failed: {ended.stderr.strip()}")
