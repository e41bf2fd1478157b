"""``docs/openapi.yaml`` against the application: Schemathesis makes requests of the description,
signed and unsigned, and every answer has to be one that is described. None is a 5xx."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi import checks
from starlette.applications import Starlette
from starlette.routing import Route

from bridge.config.serve_settings import ServeSettings
from bridge.errors import UnavailableError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge_webhooks import ForgeEndpoint
from bridge.network.read_body import LargeBodyQuota
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER
from bridge.promptlayer.workspace_source import format_source_name
from bridge.serve.application_tokens import FindTokens, build_application_tokens
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.log_calls import LOG_CALLS
from bridge.serve.log_endpoints import LogServices, create_log_routes
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseSnapshot,
)
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.serve_routes import SERVE_PREFIXES, create_serve_routes
from bridge.serve.serve_services import ServeServices
from bridge.serve.upstream import PromptLayerUpstream, UpstreamSettings
from bridge.status.metrics_snapshot import read_metrics_snapshot
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.storage.log_queue import LogQueue
from bridge.web.app import WebSettings, create_app
from bridge.web.probes import HealthProbes, create_probe_routes
from bridge.web.process_metrics import ProcessMetrics
from bridge.web.webhook_endpoints import WebhookEndpoints, WorkspaceEndpoint
from tests.integration.sample_deliveries import NOON
from tests.integration.web.webhook_client import DEADLINE, SECRET, signed_raw
from tests.standins.serve_app import serve

DESCRIBED = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "docs" / "openapi.yaml").read_text()
)
WORKSPACE = "sales"
FORGES = {
    "github": ForgeEndpoint(github_webhooks, (SECRET,)),
    "gitlab": ForgeEndpoint(gitlab_webhooks, (SECRET,)),
    "local": ForgeEndpoint(local_webhooks, (SECRET,)),
}
DOOR = WorkspaceEndpoint((SECRET,))
DOORS = WebhookEndpoints(
    {format_source_name(None): DOOR, format_source_name(WORKSPACE): DOOR}, FORGES
)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED)

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "10"))  # make fuzz asks for more

Sign = Callable[[bytes], Mapping[str, str]]


def _application(inbox: DeliveryInbox, database: Database) -> Starlette:
    metrics = ProcessMetrics("1.0", lambda: read_metrics_snapshot(database, lambda: NOON), dict)
    probes = HealthProbes(inbox, dict, metrics)
    web = WebSettings(clock=lambda: NOON, find_endpoints=lambda: DOORS)
    services = _serve_services()
    logs = create_log_routes(_log_services(services.find_tokens, database))
    routes = [*create_probe_routes(probes), *create_serve_routes(services), *logs]
    return create_app(web, inbox, routes=routes)


def _serve_services() -> ServeServices:
    """One prompt, whose name is a number too, and a PromptLayer that answers nothing."""
    key = ReleaseKey(format_source_name(None), 0, "prod")
    release = PromptRelease(key, "0", 1, "support", "c" * 40, "0.yaml", NOON, NOON)
    answer = PromptAnswer(AnswerKey(key.source, 0, 1), b'{"prompt_template": {}}', '"1"')
    index = ReleaseIndex()
    index.replace(
        ReleaseSnapshot(1, {key: release}, {answer.key: answer}, {}, {(key.source, "0"): 0})
    )
    application = {"name": "bot", "tokens": [SECRET], "labels": ["prod"]}
    settings = ServeSettings.model_validate({"applications": [application]})
    tokens = build_application_tokens(settings, [key.source])
    return ServeServices(
        find_tokens=lambda: tokens,
        reader=ReleaseReader(index, lambda: NOON, lambda: settings.stale),
        answers=AnswerFinder(_find_no_client, _fetch_nothing),
        find_mappings=tuple,
        is_stopping=lambda: False,
        count_read=lambda *_: None,
    )


def _log_services(find_tokens: FindTokens, database: Database) -> LogServices:
    queue = LogQueue(database, lambda: NOON, limit=1 << 30)
    nowhere = UpstreamSettings("http://127.0.0.1:9", "pl_key")
    upstream = PromptLayerUpstream(lambda _: nowhere)
    return LogServices(
        find_tokens, lambda *_: None, queue, upstream, lambda: NOON, LargeBodyQuota()
    )


def _find_no_client(source: str) -> PromptLayerClient:
    raise UnavailableError(f"{source} is away.")


def _fetch_nothing(key: AnswerKey) -> PromptAnswer:
    raise UnavailableError(f"{key} is away.")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('openapi')}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    yield _application(inbox, database)
    inbox.close()
    database.close()


@pytest.fixture(scope="module")
def client(application: Starlette) -> Iterator[httpx2.Client]:
    with serve(application) as url, httpx2.Client(base_url=url, timeout=DEADLINE) as client:
        yield client


def test_every_route_is_described_and_every_description_has_a_route(
    application: Starlette,
) -> None:
    routes = [route for route in application.routes if isinstance(route, Route)]
    there = {
        (route.path_format, method)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if route.include_in_schema
    }
    described = {
        (path, method.upper()) for path, item in DESCRIBED["paths"].items() for method in item
    }

    assert described == there


BEARER: Mapping[str, Sign] = {"signed": lambda _body: {"Authorization": f"Bearer {SECRET}"}}
UNSIGNED: Mapping[str, Sign] = {"unsigned": lambda _body: {}}
SIGNED: Mapping[str, Mapping[str, Sign]] = {
    "/webhooks/promptlayer": {"signed": lambda body: {SIGNATURE_HEADER: signed_raw(body)}},
    "/webhooks/promptlayer/{workspace}": {
        WORKSPACE: lambda body: {SIGNATURE_HEADER: signed_raw(body)}
    },
    "/webhooks/{forge}": {
        "github": lambda body: {
            github_webhooks.SIGNATURE_HEADER: github_webhooks.compute_signature(body, SECRET)
        },
        "gitlab": lambda _body: {gitlab_webhooks.TOKEN_HEADER: SECRET},
        "local": lambda body: local_webhooks.build_signed_headers(body, SECRET, "1"),
    },
    **{
        path: BEARER
        for path in DESCRIBED["paths"]
        if path.startswith((*SERVE_PREFIXES, *LOG_CALLS))
    },
}
# What fits the description, and, of a body, what nearly does.
MODES = {"get": [GenerationMode.POSITIVE], "post": list(GenerationMode)}
KNOCKS = [
    (path, method, who, mode)
    for path, item in DESCRIBED["paths"].items()
    for method in item
    for who in {**UNSIGNED, **SIGNED.get(path, {})}
    for mode in MODES[method]
]


@pytest.mark.parametrize(("path", "method", "who", "mode"), KNOCKS)
def test_every_answer_is_one_that_is_described(
    client: httpx2.Client, path: str, method: str, who: str, mode: GenerationMode
) -> None:
    sign = {**UNSIGNED, **SIGNED.get(path, {})}[who]
    knocks_at = {"forge": who} if who in FORGES else {"workspace": who}
    fixed = None if who in ("signed", "unsigned") else knocks_at
    strategy = SCHEMA[path][method.upper()].as_strategy(mode, path_parameters=fixed)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def knock(case: Any) -> None:
        answer = client.send(_request(client, case, sign))
        case.validate_response(answer, checks=CHECKS)

    knock()


def _request(client: httpx2.Client, case: Any, sign: Sign) -> httpx2.Request:
    """The case as it goes over the wire, with what proves its sender."""
    made = case.as_transport_kwargs(base_url=str(client.base_url))
    body = b""
    if "json" in made:
        body = json.dumps(made["json"]).encode("utf-8", "surrogatepass")
    elif isinstance(made.get("data"), bytes | str):
        data = made["data"]
        body = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    headers = {**made.get("headers", {}), **sign(body)}
    sendable = {
        name: str(text).strip().encode("utf-8", "replace") for name, text in headers.items()
    }
    return client.build_request(
        made["method"], made["url"], params=made.get("params"), content=body, headers=sendable
    )
