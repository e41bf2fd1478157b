"""The endpoints of applications on a real port, over PromptLayer's stand-in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx2
from starlette.applications import Starlette
from starlette.types import ASGIApp

from bridge.config.serve_settings import ServeSettings
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.serve.application_tokens import ApplicationTokens, build_application_tokens
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseSnapshot,
    ServedCommit,
)
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.serve_routes import SERVE_PREFIXES, create_serve_routes
from bridge.serve.serve_services import ServedMapping, ServeServices
from bridge.web.rate_limit_middleware import RateLimitMiddleware, TokenBucket
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.serve_app import serve

KEY = "pl_the-key-of-the-bridge"
SOURCE = "promptlayer"
TOKEN, OLD_TOKEN, WIDE_TOKEN = "bot-token-new", "bot-token-old", "wide-token"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
COMMIT = "c" * 40
SETTINGS: JsonObject = {
    "applications": [
        {
            "name": "support-bot",
            "tokens": [TOKEN, OLD_TOKEN],
            "prompts": ["support/*"],
            "labels": ["prod", "staging"],
        },
        {"name": "wide", "tokens": [WIDE_TOKEN]},
    ]
}


@dataclass
class ApplicationServer:
    """What is served, and an application before it."""

    registry: PromptRegistry
    platform_url: str
    faults: Faults
    client: PromptLayerClient
    index: ReleaseIndex = field(default_factory=ReleaseIndex)
    tokens: ApplicationTokens = field(default_factory=ApplicationTokens)
    mappings: tuple[ServedMapping, ...] = ()
    now: datetime = NOON
    is_stopping: bool = False
    reads: list[tuple[str, int]] = field(default_factory=list)
    fetches: list[AnswerKey] = field(default_factory=list)
    url: str = ""
    app: ASGIApp = field(default_factory=Starlette)

    def configure(self, settings: Mapping[str, object]) -> None:
        self.tokens = build_application_tokens(ServeSettings.model_validate(settings), [SOURCE])

    # What is served

    def release(self, name: str, label: str = "prod", **changes: object) -> PromptRelease:
        """Serve the newest version of a prompt at a label, as PromptLayer answers it now."""
        entry = self.registry.find_entry(name)
        version = entry.latest.number
        release = PromptRelease(
            key=ReleaseKey(SOURCE, entry.id, label),
            name=name,
            version=version,
            mapping="support",
            commit=COMMIT,
            path=f"prompts/{name}.yaml",
            released_at=NOON,
            confirmed_at=self.now,
        )
        release = replace(release, **changes)  # type: ignore[arg-type]
        answer = self.ask(AnswerKey(SOURCE, entry.id, version))
        before = self.index.snapshot
        self.replace(
            releases={**before.releases, release.key: release},
            answers={**before.answers, answer.key: answer},
            ids_by_name={**before.ids_by_name, (SOURCE, name): entry.id},
        )
        return release

    def withdraw(self, release: PromptRelease) -> None:
        releases = dict(self.index.snapshot.releases)
        del releases[release.key]
        self.replace(releases=releases)

    def serve_commits(self, mapping: str, *commits: str) -> None:
        served = tuple(ServedCommit(mapping, each, place) for place, each in enumerate(commits))
        self.replace(commits={**self.index.snapshot.commits, mapping: served})

    def replace(self, **changes: object) -> ReleaseSnapshot:
        before = self.index.snapshot
        snapshot = replace(before, revision=before.revision + 1, **changes)  # type: ignore[arg-type]
        assert self.index.replace(snapshot)
        return snapshot

    def ask(self, key: AnswerKey) -> PromptAnswer:
        """PromptLayer's answer, as it is kept: without the key of a custom provider."""
        body: JsonObject = {"version": key.version, "skip_input_variable_rendering": True}
        body |= {"provider": key.provider} if key.provider else {}
        body |= {"model": key.model} if key.model else {}
        content = self.client.send("POST", f"/prompt-templates/{key.prompt_id}", body)
        return build_answer(key, content)

    def fetch(self, key: AnswerKey) -> PromptAnswer:
        self.fetches.append(key)
        return self.ask(key)

    @property
    def asked(self) -> list[str]:
        """What PromptLayer was asked for."""
        return [f"{each.method} {each.path}" for each in self.faults.requests]

    # An application

    def get(self, path: str, token: str = TOKEN, **headers: str) -> httpx2.Response:
        return self.send("GET", path, {"Authorization": f"Bearer {token}", **headers})

    def post(self, path: str, body: object, token: str = TOKEN) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, {"X-API-KEY": token}, content)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes = b""
    ) -> httpx2.Response:
        raw = {name.encode(): text.encode() for name, text in headers.items()}
        with create_local_client(timeout=20) as client:
            return client.request(method, f"{self.url}{path}", headers=raw, content=content)


def build_answer(key: AnswerKey, content: JsonObject) -> PromptAnswer:
    provider = content.get("custom_provider") or {}
    secret = provider.get("api_key")
    if secret is not None:
        content = {**content, "custom_provider": {**provider, "api_key": None}}
    body = json.dumps(content).encode()
    return PromptAnswer(key, body, f'"{hashlib.sha256(body).hexdigest()}"', secret)


@contextmanager
def start_application_server(timeout: float = 5.0) -> Iterator[ApplicationServer]:
    registry, faults = PromptRegistry(), Faults()
    platform = create_promptlayer_app(registry, api_key=KEY)
    with ExitStack() as stack:
        platform_url = stack.enter_context(serve(WithFaults(platform, faults)))
        client = stack.enter_context(PromptLayerClient(KEY, base_url=platform_url, timeout=timeout))
        made = ApplicationServer(registry, platform_url, faults, client)
        made.configure(SETTINGS)
        answers = stack.enter_context(closing(AnswerFinder(lambda _: client, made.fetch)))
        services = ServeServices(
            find_tokens=lambda: made.tokens,
            reader=ReleaseReader(made.index, lambda: made.now, lambda: timedelta(days=7)),
            answers=answers,
            find_mappings=lambda: made.mappings,
            is_stopping=lambda: made.is_stopping,
            count_read=lambda name, status: made.reads.append((name, status)),
        )
        app = Starlette(routes=create_serve_routes(services))
        made.app = RateLimitMiddleware(app, TokenBucket(5), lambda *_: None, SERVE_PREFIXES)
        made.url = stack.enter_context(serve(made.app))
        yield made


def list_texts(answer: JsonObject) -> Sequence[str]:
    """Of an answer's messages, as PromptLayer fills them in."""
    return [message["content"][0]["text"] for message in answer["prompt_template"]["messages"]]
