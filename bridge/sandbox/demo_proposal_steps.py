"""The demo's steps from PromptLayer to the repository."""

from __future__ import annotations

from collections.abc import Callable

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.sandbox.demo_actions import (
    DEMO_EDITOR,
    DEMO_PROMPT_NAME,
    DEMO_PROMPT_PATH,
    DemoActions,
    require,
)
from bridge.sandbox.demo_environment import DEMO_LABEL, DemoEnvironment


class DemoProposalSteps:
    """The steps; each waits for its effect."""

    def __init__(self, environment: DemoEnvironment) -> None:
        self.actions = DemoActions(environment)
        self.registry = environment.registry
        self.forge = environment.forge

    def list_steps(self) -> list[tuple[str, Callable[[], PullRequest | None]]]:
        return [
            ("create prompt → pull request", self.create),
            ("second save updates it", self.save_again),
            ("its workflow runs by itself → status and comment", self.wait_for_evaluation),
            ("merge", self.merge),
            ("label move → pull request for the label's file", self.move_label),
            ("close it", self.close),
            ("same content is not proposed again", self.save_same_content),
        ]

    def create(self) -> PullRequest:
        self.actions.save_prompt("kindly", "First draft")
        return self.actions.wait_for_pull_request(DEMO_PROMPT_PATH, "kindly")

    def save_again(self) -> PullRequest:
        before = self.actions.wait_for_only_pull_request()
        self.actions.save_prompt("briefly", "Shorter answers")
        after = self.actions.wait_for_pull_request(DEMO_PROMPT_PATH, "briefly")
        require(after.number == before.number, "the second save opened a second pull request")
        return after

    def wait_for_evaluation(self) -> PullRequest:
        pull = self.actions.wait_for_only_pull_request()
        self.actions.wait_for_good_evaluation(pull)
        return pull

    def merge(self) -> PullRequest:
        merged = self.forge.merge(self.actions.wait_for_only_pull_request().number, "squash")
        require(merged.state is PullRequestState.MERGED, "the pull request was not merged")
        return merged

    def move_label(self) -> PullRequest:
        self.registry.move_label(self.actions.registry_entry.id, DEMO_LABEL, 1, actor=DEMO_EDITOR)
        return self.actions.wait_for_pull_request(
            f"prompts/{DEMO_LABEL}/{DEMO_PROMPT_NAME}.yaml", "kindly"
        )

    def close(self) -> PullRequest:
        return self.forge.close(self.actions.wait_for_only_pull_request().number)

    def save_same_content(self) -> PullRequest | None:
        """Reconcile unchanged content: version 3 equals version 1 and gets its label. A change of
        ``latest`` beside it shows that the bridge has reconciled."""
        before = len(self.forge.list_open_pull_requests("promptlayer/"))
        self.actions.save_prompt("kindly", "Back to the first draft")
        self.registry.move_label(self.actions.registry_entry.id, DEMO_LABEL, 3, actor=DEMO_EDITOR)
        shown = self.actions.wait_for_pull_request(DEMO_PROMPT_PATH, "kindly")
        self.actions.wait_until_settled()
        require(before == 0, "a pull request was open that should have been closed")
        open_ = self.forge.list_open_pull_requests("promptlayer/")
        require([one.number for one in open_] == [shown.number], "the closed content is back")
        return None
