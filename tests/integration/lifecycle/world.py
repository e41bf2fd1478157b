"""Everything a proposal lives in: PromptLayer's stand-in, a forge, and the bridge between them.

The bridge is the real one but for its queues: ``settle`` looks at whatever waits until nothing
does, and turns the clock where a look has to wait, so that every test is quick and runs alike.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.config.mapping import MappingSettings
from bridge.config.whole import Person
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.errand_run import ErrandRun
from bridge.engine.errands import Errand
from bridge.engine.ledger import Ledger, Standing
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.engine.room import Room
from bridge.engine.worker import Worker
from bridge.forge.base import PullRequest
from bridge.promptlayer.client import PromptLayer
from bridge.promptlayer.events import User
from bridge.promptlayer.signature import HEADER, sign
from bridge.prompts.file import parse, render
from bridge.prompts.prompt import LATEST, JsonObject, Prompt, PromptFile
from bridge.prompts.target import Proposal
from bridge.repo.commit import Identity, Signing
from bridge.repo.mirror import Mirror
from bridge.sandbox.asking import asking
from bridge.sandbox.entries import ADA, chat
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks
from bridge.steps.site import Bot, Roster, Site
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from bridge.storage.restraint import Restraint
from bridge.web.app import WEBHOOK_PATH, WebSettings, create_app
from tests.integration.lifecycle.place import Place
from tests.standins.doors import one_workspace

KEY, SECRET = "pl_0123456789abcdef", "whsec_lifecycle"
BOT = Identity("promptlayer-bridge", "bridge@example.com")
JANE = User(7, "Jane Doe", "jane@example.com")
BOB = User(8, "Bob Ray", "bob@example.com")
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PATH = "prompts/latest/support/reply.yaml"
NAME = "support/reply"

_ROUNDS = 60  # looks at one proposal until a test is given up


class TurnedClock:
    """A clock that tests turn. Each glance is a millisecond after the one before, so that no two
    events happen at the same time."""

    def __init__(self) -> None:
        self._now = MONDAY
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        self.turn(0.001)
        return self._now

    def turn(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


@dataclass
class Post:
    """The webhooks that PromptLayer has sent and nobody has received."""

    waiting: list[JsonObject] = field(default_factory=list)

    def __call__(self, payload: JsonObject) -> None:
        self.waiting.append(payload)

    def lose(self) -> None:
        self.waiting.clear()

    def take(self) -> list[JsonObject]:
        taken = list(self.waiting)
        self.waiting.clear()
        return taken


@dataclass
class OneAddress:
    """PromptLayer's stand-in and the bridge's front door behind one real server."""

    platform: ASGIApp
    front_door: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.front_door if scope["path"] == WEBHOOK_PATH else self.platform
        await app(scope, receive, send)


class World:
    """``mappings`` are as in ``bridge.yaml``, without their repository."""

    def __init__(
        self,
        place: Place,
        folder: Path,
        url: str,
        mappings: Sequence[Mapping[str, Any]],
        *,
        roster: Iterable[Person] = (),
        signing: Signing | None = None,
        clock: TurnedClock | None = None,
        registry: type[Registry] = Registry,
    ) -> None:
        self.place = place
        self.clock = clock or TurnedClock()
        self.registry = registry(clock=self.clock)
        self.post = Post()
        self.registry.subscribe(self.post)
        self.platform = PromptLayer(KEY, base_url=url)
        self.settings = [
            MappingSettings.model_validate({"repository": "local:acme/support-bot", **each})
            for each in mappings
        ]
        self.bot = Bot(BOT, signing)
        self.roster = Roster(tuple(roster))
        self._folder = folder
        self._url = url
        self._lives = itertools.count(1)
        self.worker = self.another_worker(self.fresh_database())
        self.address = OneAddress(
            promptlayer_app(self.registry, api_key=KEY, webhooks=Webhooks()), self._front_door()
        )

    def close(self) -> None:
        self.worker.inbox.close()
        self.database.close()
        self.platform.close()

    # The bridge

    @property
    def ledger(self) -> Ledger:
        return self.worker.ledger

    def fresh_database(self) -> Database:
        self.database = Database(f"sqlite:///{self._folder}/bridge-{next(self._lives)}.sqlite")
        return self.database

    def another_worker(self, database: Database) -> Worker:
        """A bridge with a mirror of its own over a database that it may share."""
        mirror = Mirror(self._folder / f"mirror-{next(self._lives)}.git")
        restraint = Restraint(database, self.clock)
        return Worker(
            sites={each.name: self._site(each, mirror) for each in self.settings},
            inbox=Inbox(database, self.clock),
            ledger=Ledger(database, self.clock),
            restraint=restraint,
            room=Room(database, restraint, self.clock),
            clock=self.clock,
        )

    def forget_everything(self) -> None:
        """The bridge loses its disk: database and mirror are made anew."""
        self.worker.inbox.close()
        self.database.close()
        self.worker = self.another_worker(self.fresh_database())
        self.reopen_front_door()

    def reopen_front_door(self) -> None:
        """Deliveries go to the worker that is now."""
        self.address.front_door = self._front_door()

    def _site(self, settings: MappingSettings, mirror: Mirror) -> Site:
        return Site(
            mapping=settings,
            platform=self.platform,
            forge=self.place.forge,
            mirror=mirror,
            bot=self.bot,
            roster=self.roster,
            version_url="https://dashboard.example.com/workspace/{workspace}/prompt/{id}",
        )

    def _front_door(self) -> ASGIApp:
        return create_app(WebSettings(self.clock, one_workspace(SECRET)), self.worker.inbox)

    # What happens

    def deliver(self, payloads: Iterable[JsonObject] | None = None) -> None:
        """Bring what PromptLayer sent, or these webhooks in this order, to the front door."""
        with asking() as client:
            for payload in self.post.take() if payloads is None else payloads:
                answer = client.post(
                    self._url + WEBHOOK_PATH,
                    content=json.dumps(payload),
                    headers={HEADER: sign(payload, SECRET)},
                )
                assert answer.status_code == 202, answer.text

    def settle(self, patience: float = 60.0) -> None:
        """Deliver what waits and look until nothing waits, or only what would have to wait for
        longer than ``patience`` seconds."""
        self.deliver()
        self.settle_looks(patience)

    def settle_looks(self, patience: float = 60.0) -> None:
        """``settle`` without delivering anything."""
        for _ in range(_ROUNDS):
            pauses = self.look()
            if not pauses:
                return
            if None in pauses:
                continue
            shortest = min(pause for pause in pauses if pause is not None)
            patience -= shortest
            if patience < 0:
                return
            self.clock.turn(shortest)
        raise AssertionError("the bridge did not come to rest")

    def look(self) -> list[float | None]:
        """Dispatch, and look once at each proposal that waits: what each look returned."""
        Dispatcher(self.worker).dispatch_deliveries(lambda _: None, self._run)
        pauses = [
            Reconciler(self.worker).reconcile(proposal) for proposal in self.worker.unfinished()
        ]
        admitted = [each for site in self.settings for each in self.worker.make_room(site.name)]
        return pauses + [Reconciler(self.worker).reconcile(proposal) for proposal in admitted]

    def _run(self, errand: Errand, occasion: str) -> None:
        assert ErrandRun(self.worker, errand, occasion).run(lambda _: None) is None

    def look_again(self) -> None:
        """Sweep, and look at whatever that asks for, without letting any time pass."""
        asked: list[Proposal] = []
        for settings in self.settings:
            assert ResyncRunner(self.worker).resync(settings.name, asked.append) is None
        while asked:
            proposal = asked.pop(0)
            Reconciler(self.worker).reconcile(proposal)
            asked += self.worker.make_room(proposal.mapping)

    def sweep(self) -> None:
        """What the hourly sweep does. Webhooks that wait are not delivered before it is done."""
        for settings in self.settings:
            assert ResyncRunner(self.worker).resync(settings.name, lambda _: None) is None
        kept = self.post.take()
        self.settle()
        self.post.waiting = kept

    # PromptLayer

    def save(self, text: str, name: str = NAME, *, by: User = ADA, **more: Any) -> int:
        """Save a prompt with this system message; its id."""
        return self.registry.save(name, template(text), actor=by, **more).prompt_id

    def adopt(self, path: str = PATH, *, label: str = LATEST, prompt_id: int = 1) -> None:
        """Bring a file on main in step with PromptLayer, without any pull request. No webhook of
        before is delivered."""
        prompt = self.platform.prompt(prompt_id, label=None if label == LATEST else label)
        assert prompt is not None
        self.place.commit({path: render(PromptFile(prompt, label)).encode()})
        self.post.lose()

    # Looking

    def pull_request(self) -> PullRequest:
        """The one that is open."""
        (only,) = self.place.open()
        return only

    def held(self, path: str = PATH, revision: str = "main") -> Prompt:
        """The prompt in a file."""
        text = self.place.text(path, revision)
        assert text is not None, f"{path} is not on {revision}"
        format = "json" if path.endswith(".json") else "yaml"
        return parse(text, path=path, format=format).prompt  # type: ignore[arg-type]

    def says(self, path: str = PATH, revision: str = "main") -> str | None:
        """The first message of the prompt in a file; None where there is no file."""
        if self.place.text(path, revision) is None:
            return None
        return first_text(self.held(path, revision).template)

    def proposed(self, path: str = PATH) -> str | None:
        """What the open pull request wants the file to say."""
        return self.proposed_by(self.pull_request(), path)

    def proposed_by(self, pull_request: PullRequest, path: str = PATH) -> str | None:
        """What a pull request wants the file to say."""
        return self.says(path, pull_request.head)

    def standing(self, branch: str | None = None, mapping: str = "support") -> Standing:
        """The bridge's last word on a proposal."""
        branch = branch or self.branch()
        found = self.ledger.standing(Proposal(mapping, branch))
        assert found is not None, f"nobody has looked at {branch}"
        return found

    @staticmethod
    def branch(prompt_id: int = 1, label: str = "latest", mapping: str = "support") -> str:
        return f"promptlayer/{mapping}/{label}/{prompt_id}"


MakeWorld = Callable[..., World]


def template(text: str) -> JsonObject:
    """A system message of these lines, and a question."""
    return chat(("system", text), ("user", "{question}"))


def first_text(template: JsonObject) -> str:
    content = (template.get("messages") or [template])[0]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


def lines(**changed: str) -> str:
    """A prompt of seven lines far enough from one another to be merged; each can be changed."""
    return "".join(f"{changed.get(name, name)}\n" for name in "abcdefg")
