"""The stand-in for PromptLayer as applications use it: templates to run, logged requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import promptlayer
import promptlayer.utils
import pytest

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import (
    build_chat_template,
    build_completion_template,
    build_model_metadata,
)
from bridge.sandbox.request_logs import RequestLogs
from tests.integration.promptlayer_schemas import check_answer
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve
from tests.unit.promptlayer.recorded_payloads import fact

KEY = "pl_test_key"
QUESTION = build_chat_template(("system", "Be {tone}."), ("user", "{question}"))
GPT = build_model_metadata("openai", "gpt-4o", temperature=0.2)


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry(workspace_id=1)


@pytest.fixture
def evaluations(registry: PromptRegistry) -> FakeEvaluations:
    return FakeEvaluations(registry)


@pytest.fixture
def logs(evaluations: FakeEvaluations) -> RequestLogs:
    return evaluations.logs


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def url(
    served: tuple[SwitchableApp, str], registry: PromptRegistry, evaluations: FakeEvaluations
) -> str:
    changing, url = served
    changing.app = create_promptlayer_app(registry, api_key=KEY, evaluations=evaluations)
    return url


@pytest.fixture
def api(url: str) -> Iterator[httpx2.Client]:
    with create_local_client(base_url=url, headers={"X-API-KEY": KEY}) as client:
        yield client


@pytest.fixture
def sdk(url: str) -> Iterator[promptlayer.PromptLayer]:
    yield promptlayer.PromptLayer(api_key=KEY, base_url=url)
    promptlayer.utils._get_requests_session().close()


def answer_of(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def publish_recorded_prompt(registry: PromptRegistry, recorded: JsonObject) -> None:
    for number in range(1, recorded["id"]):
        registry.save_version(f"another {number}", QUESTION)
    registry.save_version(
        recorded["prompt_name"],
        recorded["prompt_template"],
        metadata=recorded["metadata"],
        commit_message=recorded["commit_message"],
        tags=recorded["tags"],
    )


def test_templates_are_answered_as_recorded(api: httpx2.Client, registry: PromptRegistry) -> None:
    calls = [call for call in fact("recorded-serving.json") if "prompt-templates" in call["path"]]
    publish_recorded_prompt(registry, calls[0]["response"])

    for call in calls:
        answer = answer_of(api.post(call["path"], json=call["request"]), call["status"])
        assert answer == call["response"]
        check_answer(answer, "GetPromptTemplateResponse")


def test_requests_are_logged_as_recorded(api: httpx2.Client) -> None:
    calls = [call for call in fact("recorded-serving.json") if "log-request" in call["path"]]
    for call in calls:
        answer = answer_of(api.post(call["path"], json=call["request"]), call["status"])
        changing = {key: answer[key] for key in ("id", "share_hash", "created_at")}
        described = {key: answer[key] for key in ("status", "error_type", "error_message")}
        assert answer == call["response"] | changing | described
        check_answer(answer, "LogRequestResponse")
    assert calls


def test_calls_that_track_are_answered_as_recorded(api: httpx2.Client, logs: RequestLogs) -> None:
    calls = fact("recorded-serving.json")
    tracked = next(index for index, call in enumerate(calls) if call["path"] == "/track-request")
    first = calls[tracked]["response"]["request_id"]
    for number in range(1, first):
        logs.add_request({"function_name": f"another {number}"})

    for call in calls[tracked:]:
        body = call["request"] | {"api_key": KEY}  # where the SDK has it
        answer = answer_of(api.post(call["path"], json=body), call["status"])
        assert answer == call["response"]
    assert logs.requests[first].scores == {"accuracy": 10}
    assert logs.requests[first].metadata == {"test": "test"}
    assert logs.requests[first].group_id == 1
    assert KEY not in str(logs.requests[first].body)


@pytest.mark.parametrize("field", ["prompt", "metadata", "score", "group"])
def test_documented_paths_track_too(api: httpx2.Client, logs: RequestLogs, field: str) -> None:
    request_id = logs.add_request({"function_name": "f"}).id
    body = {
        "request_id": request_id,
        "prompt_name": "p",
        "metadata": {"a": "b"},
        "score": 1,
        "group_id": logs.create_group(),
    }
    check_answer(answer_of(api.post(f"/rest/track-{field}", json=body)), "TrackResponse")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/library-track-score", {"request_id": 9, "score": 1}, 400),
        ("/library-track-score", {"request_id": 1, "score": 101}, 422),
        ("/library-track-metadata", {"request_id": "pb_1", "metadata": {}}, 400),
        ("/track-group", {"request_id": 1, "group_id": 7}, 400),
        ("/log-request", {"provider": "openai"}, 422),
        ("/track-request", {}, 422),
        ("/prompt-templates/1", {"input_variables": []}, 422),
    ],
)
def test_what_no_request_can_mean_is_refused(
    api: httpx2.Client, logs: RequestLogs, path: str, body: JsonObject, status: int
) -> None:
    logs.add_request({"function_name": "f"})
    answer_of(api.post(path, json=body), status)


def test_a_key_in_the_body_opens_where_requests_are_logged_only(url: str) -> None:
    with create_local_client(base_url=url) as client:
        answer_of(client.post("/create-group", json={"api_key": KEY}))
        answer_of(client.post("/create-group", json={"api_key": "another"}), 401)
        answer_of(client.post("/create-group"), 401)
        answer_of(client.post("/prompt-templates/1", json={"api_key": KEY}), 401)


# Templates to run


def test_variables_are_filled_unless_rendering_is_skipped(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", QUESTION, metadata=GPT)

    def texts(**body: object) -> list[list[str]]:
        answer = answer_of(api.post("/prompt-templates/p", json=body))
        return [
            [message["content"][0]["text"] for message in holder["messages"]]
            for holder in (answer["prompt_template"], answer["llm_kwargs"])
        ]

    given = {"tone": "kind", "question": "Why?"}
    assert texts(input_variables=given) == [["Be kind.", "Why?"]] * 2
    assert texts() == [["Be .", ""]] * 2
    assert texts(skip_input_variable_rendering=True) == [["Be {tone}.", "{question}"]] * 2


def test_a_template_without_a_model_is_filled_where_variables_are_given(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("snippet", build_completion_template("Be {tone}."))

    unfilled = answer_of(api.post("/prompt-templates/snippet", json={}))
    filled = answer_of(
        api.post("/prompt-templates/snippet", json={"input_variables": {"tone": "kind"}})
    )

    assert unfilled["llm_kwargs"] is None
    assert unfilled["prompt_template"]["content"][0]["text"] == "Be {tone}."
    assert filled["prompt_template"]["content"][0]["text"] == "Be kind."


def test_placeholders_tool_variables_and_jinja2_are_filled(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    template = build_chat_template(("system", "Hi {% if a %}{{ a.b }}{% endif %}"))
    template["messages"][0]["template_format"] = "jinja2"
    template["messages"].append({"role": "placeholder", "name": "history"})
    template["tools"] = [{"type": "variable", "name": "tools"}]
    registry.save_version("p", template, metadata=GPT)
    history = build_chat_template(("user", "Hello"))["messages"]
    tool = {"type": "function", "function": {"name": "f"}}

    given = {"a": {"b": "there"}, "history": history, "tools": [tool]}
    answer = answer_of(api.post("/prompt-templates/p", json={"input_variables": given}))

    texts = [message["content"][0]["text"] for message in answer["llm_kwargs"]["messages"]]
    assert texts == ["Hi there", "Hello"]
    assert answer["llm_kwargs"]["tools"] == [tool]


def test_anthropic_is_given_the_system_message_beside_the_others(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", build_chat_template(("system", "Be kind."), ("user", "Hi")))

    body = {"provider": "anthropic", "model": "claude-sonnet-4"}
    arguments = answer_of(api.post("/prompt-templates/p", json=body))["llm_kwargs"]

    assert arguments["model"] == "claude-sonnet-4"
    assert arguments["system"] == [{"type": "text", "text": "Be kind."}]
    assert [message["role"] for message in arguments["messages"]] == ["user"]
    assert arguments["max_tokens"] > 0


def test_parameters_are_overridden_where_asked(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", QUESTION, metadata=GPT)

    body = {"model_parameter_overrides": {"temperature": 1}}
    arguments = answer_of(api.post("/prompt-templates/p", json=body))["llm_kwargs"]

    assert (arguments["temperature"], arguments["model"]) == (1, "gpt-4o")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:promptlayer")
def test_the_official_sdk_gets_templates_and_tracks(
    sdk: promptlayer.PromptLayer, registry: PromptRegistry, logs: RequestLogs
) -> None:
    registry.save_version("p", QUESTION, metadata=GPT, labels=["prod"])

    got = sdk.templates.get("p", {"label": "prod", "input_variables": {"tone": "kind"}})
    template = {"type": "chat", **build_chat_template(("user", "Hi"))}
    logged = sdk.log_request(
        provider="openai",
        model="gpt-4o",
        input=template,
        output=template,
        request_start_time=1.0,
        request_end_time=2.0,
    )
    group = sdk.group.create()
    sdk.track.score(logged["id"], 90, "quality")
    sdk.track.metadata(logged["id"], {"user": "ada"})
    sdk.track.prompt(logged["id"], "p", {"tone": "kind"}, version=1)
    sdk.track.group(logged["id"], group)

    assert got["llm_kwargs"]["model"] == "gpt-4o"
    (request,) = logs.requests.values()
    assert request.scores == {"quality": 90}
    assert request.metadata == {"user": "ada"}
    assert request.group_id == group
    assert request.prompt is not None
    assert request.prompt["version"] == 1
