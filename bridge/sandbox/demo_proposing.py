"""The demo's way out: what changes in PromptLayer is proposed in the repository."""

from __future__ import annotations

from collections.abc import Callable

from bridge.forge.base import PullRequest, PullRequestState
from bridge.sandbox.demo_hand import JANE, PATH, PROMPT, Hand, expect
from bridge.sandbox.scene import LABEL, Scene


class Proposing:
    """Each act waits for what it should bring about."""

    def __init__(self, scene: Scene) -> None:
        self.hand = Hand(scene)
        self.registry = scene.registry
        self.forge = scene.forge

    def acts(self) -> list[tuple[str, Callable[[], PullRequest | None]]]:
        return [
            ("create prompt → pull request", self.create),
            ("second save updates it", self.save_again),
            ("merge", self.merge),
            ("label move → pull request for the label's file", self.move_label),
            ("close it", self.close),
            ("same content is not proposed again", self.same_again),
        ]

    def create(self) -> PullRequest:
        self.hand.save("kindly", "First draft")
        return self.hand.open(PATH, "kindly")

    def save_again(self) -> PullRequest:
        before = self.hand.only_open()
        self.hand.save("briefly", "Shorter answers")
        after = self.hand.open(PATH, "briefly")
        expect(after.number == before.number, "the second save opened a second pull request")
        return after

    def merge(self) -> PullRequest:
        merged = self.forge.merge(self.hand.only_open().number, "squash")
        expect(merged.state is PullRequestState.MERGED, "the pull request was not merged")
        return merged

    def move_label(self) -> PullRequest:
        self.registry.move_label(self.hand.entry.id, LABEL, 1, actor=JANE)
        return self.hand.open(f"prompts/{LABEL}/{PROMPT}.yaml", "kindly")

    def close(self) -> PullRequest:
        return self.forge.close(self.hand.only_open().number)

    def same_again(self) -> PullRequest | None:
        """Another look at the same content: version 3 says what version 1 said, and has the label.
        A change of ``latest`` beside it shows that the bridge has looked."""
        before = len(self.forge.open_pull_requests("promptlayer/"))
        self.hand.save("kindly", "Back to the first draft")
        self.registry.move_label(self.hand.entry.id, LABEL, 3, actor=JANE)
        shown = self.hand.open(PATH, "kindly")
        self.hand.settle()
        expect(before == 0, "a pull request was open that should have been closed")
        open_ = self.forge.open_pull_requests("promptlayer/")
        expect([one.number for one in open_] == [shown.number], "the closed content is back")
        return None
