"""The stand-in's endpoints that log requests to models, in the shapes that were recorded.

The SDKs' paths and the documented ones (https://docs.promptlayer.com/reference/log-request,
``/rest/track-…``) do the same.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.request_logs import LoggedRequest, RequestLogs
from bridge.sandbox.rest_endpoint import EndpointAction, create_endpoint
from bridge.sandbox.validation import check_log_request, check_name, check_score


class RequestLogsRestApi:
    """The endpoints about logged requests and their groups."""

    def __init__(self, registry: PromptRegistry, logs: RequestLogs) -> None:
        self._registry = registry
        self._logs = logs

    def create_routes(self, api_key: str) -> list[Route]:
        actions: list[tuple[tuple[str, ...], EndpointAction]] = [
            (("/track-request",), self.track_request),
            (("/log-request",), self.log_request),
            (("/library-track-prompt", "/rest/track-prompt"), self.track_prompt),
            (("/library-track-metadata", "/rest/track-metadata"), self.track_metadata),
            (("/library-track-score", "/rest/track-score"), self.track_score),
            (("/track-group", "/rest/track-group"), self.track_group),
            (("/create-group",), self.create_group),
        ]
        return [
            Route(path, create_endpoint(action, api_key, key_in_body=True), methods=["POST"])
            for paths, action in actions
            for path in paths
        ]

    def track_request(self, _: Request, body: JsonObject) -> Response:
        if not isinstance(body.get("function_name"), str):
            raise RequestRefusedError("function_name: Field required")
        answer = {
            "success": True,
            "request_id": self._logs.add_request(body).id,
            "prompt_blueprint": None,
            "message": "Request tracked successfully",
        }
        return JSONResponse(answer)

    def log_request(self, _: Request, body: JsonObject) -> Response:
        check_log_request(body)
        logged = self._logs.add_request(body)
        return JSONResponse(_build_log_answer(self._registry.workspace_id, logged), 201)

    def track_prompt(self, request: Request, body: JsonObject) -> Response:
        logged = self._logs.find_request(body.get("request_id"))
        check_name(body.get("prompt_name"))
        names = ("prompt_name", "prompt_input_variables", "version", "label")
        logged.prompt = {name: body.get(name) for name in names}
        return _confirm(request, "Prompt")

    def track_metadata(self, request: Request, body: JsonObject) -> Response:
        logged, metadata = self._logs.find_request(body.get("request_id")), body.get("metadata")
        if not isinstance(metadata, dict):
            raise RequestRefusedError("metadata: Input should be a valid dictionary")
        logged.metadata.update(metadata)
        return _confirm(request, "Metadata")

    def track_score(self, request: Request, body: JsonObject) -> Response:
        logged = self._logs.find_request(body.get("request_id"))
        logged.scores[body.get("name") or "default"] = check_score(body.get("score"))
        return _confirm(request, "Score")

    def track_group(self, request: Request, body: JsonObject) -> Response:
        logged = self._logs.find_request(body.get("request_id"))
        logged.group_id = self._logs.check_group(body.get("group_id"))
        return _confirm(request, "Group")

    def create_group(self, _: Request, __: JsonObject) -> Response:
        return JSONResponse({"success": True, "id": self._logs.create_group()})


def _confirm(request: Request, subject: str) -> Response:
    documented = request.url.path.startswith("/rest/")
    message = {"message": f"{subject} tracked successfully"} if documented else {}
    return JSONResponse({"success": True, **message})


def _build_log_answer(workspace_id: int, logged: LoggedRequest) -> JsonObject:
    """The answer of ``POST /log-request``."""
    body = logged.body
    parameters = body.get("parameters") or {}
    return {
        **_EMPTY_ANSWER,
        "id": logged.id,
        "prompt_id": body.get("prompt_id"),
        "prompt_version_number": body.get("prompt_version_number"),
        "prompt_input_variables": body.get("prompt_input_variables") or {},
        "provider_type": body["provider"],
        "function_name": body.get("function_name", ""),
        "function_kwargs": {"input": body["input"], "parameters": parameters},
        "request_response": {"output": body["output"]},
        "request_start_time": _format_moment(body["request_start_time"]),
        "request_end_time": _format_moment(body["request_end_time"]),
        "share_hash": f"{logged.id:032x}",
        "price": body.get("price", 0.0),
        "score": body.get("score", 0),
        "engine": body["model"],
        "tokens": body.get("input_tokens", 0) + body.get("output_tokens", 0),
        "input_tokens": body.get("input_tokens", 0),
        "output_tokens": body.get("output_tokens", 0),
        "workspace_id": workspace_id,
        "created_at": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "tags_array": body.get("tags") or [],
        "response_string": _find_last_text(body["output"]),
        "prompt_version": _describe_version(logged),
    }


def _describe_version(logged: LoggedRequest) -> JsonObject:
    body, version = logged.body, logged.version
    parameters = body.get("parameters") or {}
    model = {"provider": body["provider"], "name": body["model"], "parameters": parameters}
    joined = _join_templates(body["input"], body["output"])
    return {
        "prompt_template": version.template if version else joined,
        "commit_message": version.commit_message if version else None,
        "metadata": version.metadata if version else {"model": model},
        "provider_base_url_name": None,
        "report_id": None,
        "inference_client_name": None,
    }


_EMPTY_ANSWER: JsonObject = {
    "user_id": 1,
    "function_args": [],
    "is_sharable": False,
    "share_view_count": 0,
    "is_starred": False,
    "span_id": None,
    "metadata": [],
    "scores": [],
    "type": "request",
    "prompt_string": "",
    "status": "SUCCESS",  # these three are described, though no recording has them
    "error_type": None,
    "error_message": None,
}


def _join_templates(given: JsonObject, answered: JsonObject) -> JsonObject:
    if given["type"] != "chat" or answered["type"] != "chat":
        return given
    return {**given, "messages": [*given["messages"], *answered["messages"]]}


def _find_last_text(template: JsonObject) -> str:
    messages = template.get("messages")
    content = (messages[-1] if messages else template).get("content") or []
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def _format_moment(value: Json) -> str:
    if isinstance(value, str):
        return value
    return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat()
