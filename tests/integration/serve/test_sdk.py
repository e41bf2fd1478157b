"""PromptLayer's own SDK, unmodified, against the bridge and against PromptLayer's stand-in side by
side: both give it the same."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import promptlayer
import promptlayer.utils
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bridge.network.read_body import LargeBodyQuota
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata
from bridge.serve.log_endpoints import LogServices, create_log_routes
from bridge.serve.send_logs import LogSender, LogSenderSettings
from bridge.serve.upstream import PromptLayerUpstream, UpstreamSettings
from bridge.storage.database import Database
from bridge.storage.log_queue import LogQueue
from tests.integration.serve.application_server import KEY, TOKEN, ApplicationServer
from tests.integration.serve.log_bridge import DEADLINE, get_current_time, wait_until
from tests.standins.fault_injection import status
from tests.standins.serve_app import serve

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
GPT = build_model_metadata("openai", "gpt-4o", temperature=0.2)
CLAUDE = build_model_metadata("anthropic", "claude-sonnet-4", max_tokens=64)
NAMES = ("support/plain", "support/filled", "support/odd", "support/claude", "support/jinja")
GIVEN: JsonObject = {"tone": "kind", "question": 'Wy\u00df "why"?\n', "x": 7, "none": None}
# With the parameters of a call; "" is none.
CALLS: dict[str, JsonObject | None] = {
    "nothing": None,
    "variables": {"input_variables": GIVEN},
    "a label": {"label": "prod", "input_variables": GIVEN},
    "a version": {"version": 1},
    "a model": {"provider": "anthropic", "model": "claude-opus-4"},
    "overrides": {"model_parameter_overrides": {"temperature": 1}, "input_variables": GIVEN},
}


@pytest.fixture
def filled(server: ApplicationServer) -> ApplicationServer:
    jinja = build_chat_template(("user", "Hi {{ tone }}{% if x %}, {{ x }}{% endif %}"))
    jinja["messages"][0]["template_format"] = "jinja2"
    templates = {
        "support/plain": build_chat_template(("system", "Be kind."), ("user", "Hi")),
        "support/filled": build_chat_template(
            ("system", "Be {tone}, {{}}."), ("user", "{question}")
        ),
        "support/odd": build_chat_template(("user", 'As {"a": 1}, {x:>9} {none}.')),
        "support/claude": build_chat_template(("system", "Be {tone}."), ("user", "{missing}!")),
        "support/jinja": jinja,
    }
    for name, template in templates.items():
        metadata = CLAUDE if name == "support/claude" else GPT
        server.registry.save_version(name, template, metadata=metadata, labels=["prod"])
        server.release(name)
    return server


@contextmanager
def open_sdk(url: str, key: str, **settings: Any) -> Iterator[promptlayer.PromptLayer]:
    yield promptlayer.PromptLayer(api_key=key, base_url=url, **settings)
    promptlayer.utils._get_requests_session().close()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", NAMES)
def test_templates_are_the_same_through_the_bridge(
    filled: ApplicationServer, name: str, call: str
) -> None:
    id = str(filled.registry.find_entry(name).id)  # PromptLayer itself finds no name with a slash
    with open_sdk(filled.url, TOKEN) as bridge, open_sdk(filled.platform_url, KEY) as direct:
        through, without = (
            bridge.templates.get(name, CALLS[call]),
            direct.templates.get(id, CALLS[call]),
        )

    assert through == without
    assert through["prompt_name"] == name


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_the_same_through_the_sdks_own_cache(
    filled: ApplicationServer, name: str
) -> None:
    id = str(filled.registry.find_entry(name).id)
    asked = {"input_variables": GIVEN}
    cache = {"cache_ttl_seconds": 60}
    with (
        open_sdk(filled.url, TOKEN, **cache) as bridge,
        open_sdk(filled.platform_url, KEY) as direct,
    ):
        first, again = (bridge.templates.get(name, asked) for _ in range(2))
        without = direct.templates.get(id, asked)

    assert first == again == without


def test_templates_are_the_same_without_blocking(filled: ApplicationServer) -> None:
    async def get(url: str, key: str, name: str) -> Any:
        sdk = promptlayer.AsyncPromptLayer(api_key=key, base_url=url)
        return await sdk.templates.get(name, {"input_variables": GIVEN})

    id = str(filled.registry.find_entry("support/filled").id)
    through = asyncio.run(get(filled.url, TOKEN, "support/filled"))

    assert through == asyncio.run(get(filled.platform_url, KEY, id))


def test_the_list_of_templates_holds_what_the_application_may_read(
    filled: ApplicationServer,
) -> None:
    filled.registry.save_version("sales/reply", build_chat_template(("user", "Buy")), metadata=GPT)
    filled.release("sales/reply")
    with open_sdk(filled.url, TOKEN) as bridge:
        listed = bridge.templates.all(per_page=100)

    assert sorted(item["prompt_name"] for item in listed) == sorted(NAMES)


def test_an_application_goes_on_while_promptlayer_answers_503(filled: ApplicationServer) -> None:
    filled.faults.add("/", status(503), times=999)
    with open_sdk(filled.url, TOKEN) as bridge:
        got = bridge.templates.get("support/filled", {"input_variables": GIVEN})

    assert got["llm_kwargs"]["messages"][0]["content"][0]["text"] == "Be kind, {}."


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda sdk: sdk.templates.get("support/nothing"), "PromptLayerNotFoundError"),
        (
            lambda sdk: sdk.templates.get("support/plain", {"version": 1, "label": "prod"}),
            "PromptLayerUnprocessableEntityError",
        ),
        (
            lambda sdk: sdk.templates.get("support/plain", {"version": 9}),
            "PromptLayerPermissionDeniedError",
        ),
    ],
)
def test_a_refusal_is_an_error_of_the_sdk_with_words(
    filled: ApplicationServer, ask: Callable[[Any], Any], error: str
) -> None:
    with open_sdk(filled.url, TOKEN) as bridge, pytest.raises(Exception) as raised:
        ask(bridge)

    assert type(raised.value).__name__ == error
    assert len(str(raised.value)) > 60


# PromptLayer's SDK for JavaScript, which does not encode names

JAVASCRIPT = os.environ.get("PROMPTLAYER_JS_FOLDER")  # where `npm install promptlayer` was run
SCRIPT = """
import { PromptLayer } from "promptlayer";
const [url, key, name, parameters] = process.argv.slice(2);
const sdk = new PromptLayer({ apiKey: key, baseURL: url });
console.log(JSON.stringify(await sdk.templates.get(name, JSON.parse(parameters))));
"""


@pytest.mark.skipif(not JAVASCRIPT, reason="PROMPTLAYER_JS_FOLDER names no folder with the SDK")
@pytest.mark.parametrize("name", NAMES)
def test_templates_are_the_same_for_javascript(filled: ApplicationServer, name: str) -> None:
    id = str(filled.registry.find_entry(name).id)

    through = get_by_javascript(filled.url, TOKEN, name)

    assert through == get_by_javascript(filled.platform_url, KEY, id)
    assert through["prompt_name"] == name


def get_by_javascript(url: str, key: str, name: str) -> Any:
    script = Path(str(JAVASCRIPT)) / "get-template.mjs"
    script.write_text(SCRIPT)
    parameters = json.dumps({"input_variables": GIVEN})
    said = subprocess.run(
        ["node", script, url, key, name, parameters], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


# ``run``: the template, then the model's provider, then the log


class ModelProvider:
    """A small server that speaks OpenAI's chat completions."""

    def __init__(self) -> None:
        self.requests: list[JsonObject] = []
        path = "/chat/completions"
        self.app = Starlette(routes=[Route(path, self.complete, methods=["POST"])])

    async def complete(self, request: Request) -> JSONResponse:
        self.requests.append(await request.json())
        message = {"role": "assistant", "content": "Hello!"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1744627704,
                "model": "gpt-4o",
                "choices": [choice],
                "usage": usage,
            }
        )


@pytest.mark.skipif(
    importlib.util.find_spec("openai") is None, reason="the SDK of OpenAI is not installed"
)
def test_run_asks_the_model_the_same_through_the_bridge(
    filled: ApplicationServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ModelProvider()
    id = str(filled.registry.find_entry("support/filled").id)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-application")
    with serve(provider.app) as model_url, _serve_with_logs(filled, tmp_path) as bridge_url:
        monkeypatch.setenv("OPENAI_BASE_URL", model_url)
        with open_sdk(bridge_url, TOKEN) as bridge, open_sdk(filled.platform_url, KEY) as direct:
            through = bridge.run(prompt_name="support/filled", input_variables=GIVEN)
            without = direct.run(prompt_name=id, input_variables=GIVEN)
        wait_until(lambda: len(find_logs(filled)) == 2)

    assert len(provider.requests) == 2
    assert provider.requests[0] == provider.requests[1]
    assert provider.requests[0]["messages"][0]["content"][0]["text"] == "Be kind, {}."
    assert through["raw_response"] == without["raw_response"]
    direct_log, delivered = find_logs(filled)
    assert delivered["api_key"] == KEY  # never the application's token
    assert delivered["kwargs"] == direct_log["kwargs"]
    assert delivered["request_response"] == direct_log["request_response"]


def find_logs(server: ApplicationServer) -> list[JsonObject]:
    """The calls of models that reached PromptLayer, ordered by the prompt's name in them."""
    logs = [each.json for each in server.faults.requests if each.path == "/track-request"]
    return sorted(logs, key=lambda log: str(log.get("prompt_name")))


@contextmanager
def _serve_with_logs(server: ApplicationServer, folder: Path) -> Iterator[str]:
    """The address of the endpoints of applications, with those for logs; what they have queued is
    delivered from then on."""
    settings = UpstreamSettings(server.platform_url, KEY, timeout=DEADLINE)
    with (
        closing(Database(f"sqlite:///{folder}/bridge.sqlite")) as database,
        closing(LogQueue(database, get_current_time, limit=1 << 20)) as queue,
    ):
        services = LogServices(
            find_tokens=lambda: server.tokens,
            count_read=lambda name, status: server.reads.append((name, status)),
            queue=queue,
            upstream=PromptLayerUpstream(lambda _: settings),
            clock=get_current_time,
            large=LargeBodyQuota(),
        )
        app = Starlette(routes=create_log_routes(services))
        app.router.default = server.app
        sender = LogSender(queue, lambda _: settings, get_current_time, LogSenderSettings())
        with sender.run(), serve(app) as url:
            yield url
