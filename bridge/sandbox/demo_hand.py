"""What people do in the demo, and what it waits for."""

from __future__ import annotations

from bridge.errors import Unavailable
from bridge.forge.base import PullRequest
from bridge.promptlayer.events import User
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.entries import Entry
from bridge.sandbox.scene import Scene, wait_for

PROMPT = "support/reply"
PATH = f"prompts/latest/{PROMPT}.yaml"
JANE = User(7, "Jane Doe", "jane@example.com")

MODEL: JsonObject = {
    "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
}


def template(tone: str = "kindly") -> JsonObject:
    """The demo's prompt, with one word to change."""
    system = (
        "You are a support assistant of Acme.\n"
        f"Answer {tone}, in {{language}}, in at most three sentences.\n"
        "If you do not know, say so and name the help desk.\n"
    )
    return {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [{"type": "text", "text": "{question}"}]},
        ],
    }


class Hand:
    """Acts in a scene, and waits for what the bridge makes of it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.forge = scene.forge

    def save(self, tone: str, why: str) -> None:
        self.scene.registry.save(
            PROMPT, template(tone), metadata=MODEL, commit_message=why, actor=JANE
        )

    @property
    def entry(self) -> Entry:
        """The prompt, as PromptLayer's stand-in has it."""
        return self.scene.registry.entry_named(PROMPT)

    def only_open(self) -> PullRequest:
        """The bridge's one open pull request."""
        found = self.forge.open_pull_requests("promptlayer/")
        expect(len(found) == 1, f"{len(found)} pull requests are open instead of one")
        return found[0]

    def open(self, path: str, text: str) -> PullRequest:
        """The open pull request that brings this text into this file, once it is there."""
        found: list[PullRequest] = []

        def there() -> bool:
            found[:] = [
                one
                for one in self.forge.open_pull_requests("promptlayer/")
                if f"+++ b/{path}" in (diff := self.forge.diff(one.number))
                and f"+      Answer {text}" in diff
            ]
            return len(found) == 1

        wait_for(there, f"no pull request brings “{text}” into {path}")
        return found[0]

    def settle(self) -> None:
        """Wait until every delivery that was sent has been looked after."""
        self.scene.webhooks.wait_until_sent()
        wait_for(self._nothing_waits, "the bridge was still busy with deliveries")

    def _nothing_waits(self) -> bool:
        return not {"new", "dispatched"} & {one["state"] for one in self.scene.deliveries()}


def expect(condition: bool, otherwise: str) -> None:
    """Raise Unavailable with ``otherwise`` unless the condition holds."""
    if not condition:
        raise Unavailable(f"Not as it should be: {otherwise}.")
