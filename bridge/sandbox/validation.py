"""What PromptLayer's backend refuses to take (HTTP 422)."""

from __future__ import annotations

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject

NAME_LIMIT = 512
COMMIT_MESSAGE_LIMIT = 72


def check_name(name: Json, field: str = "prompt_name") -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT:
        raise RequestRefusedError(f"{field}: String should have 1 to {NAME_LIMIT} characters")


def check_template(template: Json) -> None:
    kind = template.get("type") if isinstance(template, dict) else None
    body = {"chat": "messages", "completion": "content"}.get(str(kind))
    if body is None:
        raise RequestRefusedError("prompt_template.type: should be chat or completion")
    items = template.get(body)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RequestRefusedError(f"prompt_template.{body}: should be a list of objects")


def check_metadata(metadata: Json) -> None:
    if metadata is not None and not isinstance(metadata, dict):
        raise RequestRefusedError("metadata: should be an object")


def check_commit_message(message: Json) -> None:
    if message is not None and not isinstance(message, str):
        raise RequestRefusedError("commit_message: should be a string")
    if message is not None and len(message) > COMMIT_MESSAGE_LIMIT:
        raise RequestRefusedError(
            f"commit_message: String should have at most {COMMIT_MESSAGE_LIMIT} characters"
        )


def check_wanted_prompt(body: JsonObject) -> None:
    """Check the body of ``POST /prompt-templates/{identifier}``."""
    for field in ("label", "provider", "model"):
        if not isinstance(body.get(field), str | None):
            raise RequestRefusedError(f"{field}: Input should be a valid string")
    for field in ("input_variables", "metadata_filters", "model_parameter_overrides"):
        if not isinstance(body.get(field), dict | None):
            raise RequestRefusedError(f"{field}: Input should be a valid dictionary")


def check_log_request(body: JsonObject) -> None:
    """Check the body of ``POST /log-request``."""
    for field in ("provider", "model"):
        if not isinstance(body.get(field), str):
            raise RequestRefusedError(f"{field}: Field required")
    for field in ("input", "output"):
        _check_messages(field, body.get(field))
    for name, value in (body.get("metadata") or {}).items():
        if not isinstance(value, str):
            raise RequestRefusedError(f"metadata.{name}: Input should be a valid string")
    for field in ("request_start_time", "request_end_time"):
        if not isinstance(body.get(field), str | int | float):
            raise RequestRefusedError(f"{field}: Field required")
    check_score(body.get("score", 0))


def check_score(score: Json) -> int:
    """Check a score of a request, and return it."""
    if not isinstance(score, int) or isinstance(score, bool) or not 0 <= score <= 100:
        raise RequestRefusedError("score: Input should be an integer from 0 to 100")
    return score


def _check_messages(field: str, template: Json) -> None:
    if not isinstance(template, dict) or template.get("type") not in ("chat", "completion"):
        raise RequestRefusedError(f"{field}: Input should be a chat or a completion")
    for message in template.get("messages") or [template]:
        if not isinstance(message.get("content"), list):
            raise RequestRefusedError(f"{field}: content should be a list of parts")
