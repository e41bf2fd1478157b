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

from bridge.config.bridge_config import PersonSettings
from bridge.config.mapping_settings import MappingSettings
from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.pull_request_quota import PullRequestQuota
from bridge.engine.reconcile_store import LatestOutcome, ReconcileStore
from bridge.engine.reconciler import Reconciler
from bridge.engine.repository_job_runner import RepositoryJobRunner
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.engine.resync import ResyncRunner
from bridge.forge.forge import PullRequest
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.webhook_events import EventUser
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.prompt import LATEST, JsonObject, Prompt, PromptFile
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import CommitterIdentity, EditorRoster, MappingContext
from bridge.repo.commit import CommitSigning, GitIdentity
from bridge.repo.mirror import RepositoryMirror
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import DEFAULT_EDITOR, build_chat_template
from bridge.sandbox.webhook_sender import WebhookSender
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH, WebSettings, create_app
from tests.integration.lifecycle.forge_repository import ForgeRepository
from tests.standins.webhook_endpoints import one_workspace

KEY, SECRET = "pl_0123456789abcdef", "whsec_lifecycle"
BOT = GitIdentity("promptlayer-bridge", "bridge@example.com")
JANE = EventUser(7, "Jane Doe", "jane@example.com")
BOB = EventUser(8, "Bob Ray", "bob@example.com")
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PATH = "prompts/latest/support/reply.yaml"
NAME = "support/reply"

_ROUNDS = 60  # looks at one proposal until a test is given up


class AdvancingClock:
    """A clock that tests turn. Each glance is a millisecond after the one before, so that no two
    events happen at the same time."""

    def __init__(self) -> None:
        self._now = MONDAY
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        self.advance(0.001)
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


@dataclass
class UndeliveredWebhooks:
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
class SharedAddress:
    """PromptLayer's stand-in and the bridge's front door behind one real server."""

    platform: ASGIApp
    front_door: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.front_door if scope["path"] == PROMPTLAYER_WEBHOOK_PATH else self.platform
        await app(scope, receive, send)


class BridgeEnvironment:
    """``mappings`` are as in ``bridge.yaml``, without their repository."""

    def __init__(
        self,
        repository: ForgeRepository,
        folder: Path,
        url: str,
        mappings: Sequence[Mapping[str, Any]],
        *,
        roster: Iterable[PersonSettings] = (),
        signing: CommitSigning | None = None,
        clock: AdvancingClock | None = None,
        registry: type[PromptRegistry] = PromptRegistry,
    ) -> None:
        self.repository = repository
        self.clock = clock or AdvancingClock()
        self.registry = registry(clock=self.clock)
        self.post = UndeliveredWebhooks()
        self.registry.subscribe(self.post)
        self.evaluations = FakeEvaluations(self.registry, clock=self.clock)
        self.evaluations.subscribe(self.post)
        self.promptlayer = PromptLayerClient(KEY, base_url=url)
        self.settings = [
            MappingSettings.model_validate({"repository": "local:acme/support-bot", **each})
            for each in mappings
        ]
        self.bot = CommitterIdentity(BOT, signing)
        self.roster = EditorRoster(tuple(roster))
        self._folder = folder
        self._url = url
        self._lives = itertools.count(1)
        self.controller = self.another_worker(self.fresh_database())
        self.address = SharedAddress(
            create_promptlayer_app(
                self.registry,
                api_key=KEY,
                webhooks=WebhookSender(),
                evaluations=self.evaluations,
            ),
            self._front_door(),
        )

    def close(self) -> None:
        self.controller.inbox.close()
        self.database.close()
        self.promptlayer.close()

    # The bridge

    @property
    def store(self) -> ReconcileStore:
        return self.controller.store

    def fresh_database(self) -> Database:
        self.database = Database(f"sqlite:///{self._folder}/bridge-{next(self._lives)}.sqlite")
        return self.database

    def another_worker(self, database: Database) -> BridgeController:
        """A bridge with a mirror of its own over a database that it may share."""
        mirror = RepositoryMirror(self._folder / f"mirror-{next(self._lives)}.git")
        backoff = RepositoryBackoff(database, self.clock)
        return BridgeController(
            contexts={each.name: self._site(each, mirror) for each in self.settings},
            inbox=DeliveryInbox(database, self.clock),
            store=ReconcileStore(database, self.clock),
            backoff=backoff,
            quota=PullRequestQuota(database, backoff, self.clock),
            clock=self.clock,
        )

    def forget_everything(self) -> None:
        """The bridge loses its disk: database and mirror are made anew."""
        self.controller.inbox.close()
        self.database.close()
        self.controller = self.another_worker(self.fresh_database())
        self.reopen_front_door()

    def reopen_front_door(self) -> None:
        """Deliveries go to the worker that is now."""
        self.address.front_door = self._front_door()

    def _site(self, settings: MappingSettings, mirror: RepositoryMirror) -> MappingContext:
        return MappingContext(
            mapping=settings,
            promptlayer=self.promptlayer,
            forge=self.repository.forge,
            mirror=mirror,
            bot=self.bot,
            roster=self.roster,
            version_url_template="https://dashboard.example.com/workspace/{workspace}/prompt/{id}",
        )

    def _front_door(self) -> ASGIApp:
        return create_app(WebSettings(self.clock, one_workspace(SECRET)), self.controller.inbox)

    # What happens

    def deliver(self, payloads: Iterable[JsonObject] | None = None) -> None:
        """Bring what PromptLayer sent, or these webhooks in this order, to the front door."""
        with create_local_client() as client:
            for payload in self.post.take() if payloads is None else payloads:
                answer = client.post(
                    self._url + PROMPTLAYER_WEBHOOK_PATH,
                    content=json.dumps(payload),
                    headers={SIGNATURE_HEADER: sign_payload(payload, SECRET)},
                )
                assert answer.status_code == 202, answer.text

    def propose(self, text: str, name: str = NAME) -> None:
        """Save a text, and look until it is proposed."""
        self.save(text, name)
        self.settle()

    def edit_branch(self, old: str, new: str) -> None:
        """Somebody changes the proposed file on its branch."""
        branch = self.pull_request().head_branch
        text = self.repository.text(PATH, branch)
        assert text is not None
        assert old in text
        self.repository.commit({PATH: text.replace(old, new, 1).encode()}, branch)

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
            self.clock.advance(shortest)
        raise AssertionError("the bridge did not come to rest")

    def look(self) -> list[float | None]:
        """Dispatch, and look once at each proposal that waits: what each look returned."""
        Dispatcher(self.controller).dispatch_deliveries(lambda _: None, self._run)
        pauses = [
            Reconciler(self.controller).reconcile(proposal)
            for proposal in self.controller.find_pending_proposals()
        ]
        admitted = [
            each
            for site in self.settings
            for each in self.controller.release_waiting_proposals(site.name)
        ]
        return pauses + [Reconciler(self.controller).reconcile(proposal) for proposal in admitted]

    def _run(self, job: RepositoryJob, occasion: str) -> None:
        assert RepositoryJobRunner(self.controller, job, occasion).run(lambda _: None) is None

    def run_evaluations(self, patience: float = 7200.0) -> None:
        """Run the jobs of what is to be evaluated until all of it is settled, or would have to wait
        for longer than ``patience`` seconds."""
        for attempt in itertools.count():
            pauses = []
            for request in self.store.evaluations.find_unsettled():
                job = RepositoryJob(
                    request.mapping, RepositoryJobKind.EVALUATION, request.job_argument
                )
                pauses.append(
                    RepositoryJobRunner(self.controller, job, "x", attempt).run(lambda _: None)
                )
            waits = [pause for pause in pauses if pause is not None]
            patience -= min(waits, default=0.0)
            if not waits or patience < 0:
                return
            self.clock.advance(min(waits))

    def look_again(self) -> None:
        """Sweep, and look at whatever that asks for, without letting any time pass."""
        asked: list[Proposal] = []
        for settings in self.settings:
            assert ResyncRunner(self.controller).resync(settings.name, asked.append) is None
        while asked:
            proposal = asked.pop(0)
            Reconciler(self.controller).reconcile(proposal)
            asked += self.controller.release_waiting_proposals(proposal.mapping)

    def sweep(self) -> None:
        """What the hourly sweep does. Webhooks that wait are not delivered before it is done."""
        for settings in self.settings:
            assert ResyncRunner(self.controller).resync(settings.name, lambda _: None) is None
        kept = self.post.take()
        self.settle()
        self.post.waiting = kept

    # PromptLayer

    def save(
        self, text: str, name: str = NAME, *, by: EventUser = DEFAULT_EDITOR, **more: Any
    ) -> int:
        """Save a prompt with this system message; its id."""
        return self.registry.save_version(name, template(text), actor=by, **more).prompt_id

    def adopt(self, path: str = PATH, *, label: str = LATEST, prompt_id: int = 1) -> None:
        """Bring a file on main in step with PromptLayer, without any pull request. No webhook of
        before is delivered."""
        prompt = self.promptlayer.find_prompt(prompt_id, label=None if label == LATEST else label)
        assert prompt is not None
        self.repository.commit({path: render_prompt_file(PromptFile(prompt, label)).encode()})
        self.post.lose()

    # Looking

    def pull_request(self) -> PullRequest:
        """The one that is open."""
        (only,) = self.repository.open()
        return only

    def held(self, path: str = PATH, revision: str = "main") -> Prompt:
        """The prompt in a file."""
        text = self.repository.text(path, revision)
        assert text is not None, f"{path} is not on {revision}"
        format = "json" if path.endswith(".json") else "yaml"
        return parse_prompt_file(text, path=path, format=format).prompt  # type: ignore[arg-type]

    def says(self, path: str = PATH, revision: str = "main") -> str | None:
        """The first message of the prompt in a file; None where there is no file."""
        if self.repository.text(path, revision) is None:
            return None
        return first_text(self.held(path, revision).template)

    def proposed(self, path: str = PATH) -> str | None:
        """What the open pull request wants the file to say."""
        return self.proposed_by(self.pull_request(), path)

    def proposed_by(self, pull_request: PullRequest, path: str = PATH) -> str | None:
        """What a pull request wants the file to say."""
        return self.says(path, pull_request.head_branch)

    def standing(self, branch: str | None = None, mapping: str = "support") -> LatestOutcome:
        """The bridge's last word on a proposal."""
        branch = branch or self.branch()
        found = self.store.find_latest_outcome(Proposal(mapping, branch))
        assert found is not None, f"nobody has looked at {branch}"
        return found

    @staticmethod
    def branch(prompt_id: int = 1, label: str = "latest", mapping: str = "support") -> str:
        return f"promptlayer/{mapping}/{label}/{prompt_id}"


MakeWorld = Callable[..., BridgeEnvironment]


def template(text: str) -> JsonObject:
    """A system message of these lines, and a question."""
    return build_chat_template(("system", text), ("user", "{question}"))


def first_text(template: JsonObject) -> str:
    content = (template.get("messages") or [template])[0]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


def lines(**changed: str) -> str:
    """A prompt of seven lines far enough from one another to be merged; each can be changed."""
    return "".join(f"{changed.get(name, name)}\n" for name in "abcdefg")
