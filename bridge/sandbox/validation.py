"""The validation of PromptLayer's backend, which refuses with HTTP 422."""

from __future__ import annotations

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import Json

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
