"""The main job from end to end, unattended: ``demo --once``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from bridge.errors import BridgeError, Unavailable
from bridge.forge.base import PullRequest, PullRequestState
from bridge.promptlayer.events import User
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.scene import LABEL, Scene, wait_for

PROMPT = "support/reply"
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


@dataclass(frozen=True)
class Step:
    step: str
    ok: bool
    pull_request: str | None
    commit: str | None
    seconds: float
    problem: str | None = None


def run_once(scene: Scene, *, as_json: bool) -> bool:
    """Every step, each told as it ends; True when all did what they should."""
    steps = []
    for name, act in _Loop(scene).acts():
        steps.append(_step(name, act))
        if not as_json:
            _tell(steps[-1])
        if not steps[-1].ok:
            break
    ok = all(step.ok for step in steps) and len(steps) == len(_Loop(scene).acts())
    if as_json:
        told = [
            {k: v for k, v in asdict(step).items() if v is not None or k != "problem"}
            for step in steps
        ]
        print(json.dumps({"steps": told, "ok": ok}))
    return ok


def _step(name: str, act: Callable[[], PullRequest | None]) -> Step:
    started = time.monotonic()
    try:
        found = act()
    except BridgeError as error:
        return Step(name, False, None, None, _since(started), str(error))
    address, commit = (found.url, found.head_commit) if found else (None, None)
    return Step(name, True, address, commit, _since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _tell(step: Step) -> None:
    mark = "ok    " if step.ok else "failed"
    print(f"{mark} {step.seconds:6.1f} s  {step.step}  {step.problem or step.pull_request or ''}")


class _Loop:
    """The main job, step by step. Each step waits for what it should bring about."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
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
        self._save("kindly", "First draft")
        return self._open("prompts/latest/support/reply.yaml", "kindly")

    def save_again(self) -> PullRequest:
        before = self._only_open()
        self._save("briefly", "Shorter answers")
        after = self._open("prompts/latest/support/reply.yaml", "briefly")
        _expect(after.number == before.number, "the second save opened a second pull request")
        return after

    def merge(self) -> PullRequest:
        merged = self.forge.merge(self._only_open().number, "squash")
        _expect(merged.state is PullRequestState.MERGED, "the pull request was not merged")
        return merged

    def move_label(self) -> PullRequest:
        self.scene.registry.move_label(self._id(), LABEL, 1, actor=JANE)
        return self._open("prompts/prod/support/reply.yaml", "kindly")

    def close(self) -> PullRequest:
        return self.forge.close(self._only_open().number)

    def same_again(self) -> PullRequest | None:
        """Another look at the same content: version 3 says what version 1 said, and has the label.
        A change of ``latest`` beside it shows that the bridge has looked."""
        before = len(self.forge.open_pull_requests("promptlayer/"))
        self._save("kindly", "Back to the first draft")
        self.scene.registry.move_label(self._id(), LABEL, 3, actor=JANE)
        shown = self._open("prompts/latest/support/reply.yaml", "kindly")
        self._settled()
        _expect(before == 0, "a pull request was open that should have been closed")
        open_ = self.forge.open_pull_requests("promptlayer/")
        _expect([one.number for one in open_] == [shown.number], "the closed content is back")
        return None

    def _save(self, tone: str, why: str) -> None:
        self.scene.registry.save(
            PROMPT, template(tone), metadata=MODEL, commit_message=why, actor=JANE
        )

    def _id(self) -> int:
        return self.scene.registry.entry_named(PROMPT).id

    def _only_open(self) -> PullRequest:
        found = self.forge.open_pull_requests("promptlayer/")
        _expect(len(found) == 1, f"{len(found)} pull requests are open instead of one")
        return found[0]

    def _open(self, path: str, text: str) -> PullRequest:
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

    def _settled(self) -> None:
        """Every delivery that was sent has been looked after."""
        self.scene.webhooks.wait_until_sent()
        wait_for(self._nothing_waits, "the bridge was still busy with deliveries")

    def _nothing_waits(self) -> bool:
        return not {"new", "dispatched"} & {one["state"] for one in self.scene.deliveries()}


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Unavailable(f"Not as it should be: {otherwise}.")
