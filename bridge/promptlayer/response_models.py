"""Models of PromptLayer's responses, and the prompts built from them.

Unknown fields are ignored, and so is the absence of fields that the bridge does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import MalformedPayloadError, RequestRefusedError, UnavailableError
from bridge.prompts.canonical_form import (
    PROVENANCE_KEY,
    canonicalise_extra,
    canonicalise_metadata,
    canonicalise_template,
)
from bridge.prompts.prompt import Json, JsonObject, Prompt, SourceReference

ResponseModel = TypeVar("ResponseModel", bound=BaseModel)


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt in a list: its newest version, or the labelled one."""

    prompt: Prompt
    folder: str | None  # path as PromptLayer writes it; None at the root
    is_snippet: bool
    unreadable: str | None = None
    """Why its template cannot be understood. Then ``prompt.template`` is empty and means nothing:
    leave the prompt alone."""


@dataclass(frozen=True)
class SnippetUser:
    """A prompt that uses a snippet."""

    id: int
    name: str


class PromptResponse(BaseModel):
    model_config = ConfigDict(extra="allow")  # provider fields are among the extra ones

    id: int
    prompt_name: str
    prompt_template: Any
    version: int | None = None
    metadata: JsonObject | None = None
    tags: list[str] | None = None
    commit_message: str | None = None
    created_at: str | None = None
    workspace_id: int | None = None
    full_folder_path: str | list[str] | None = None
    is_snippet: bool | None = None


class PromptPageResponse(BaseModel):
    items: list[PromptResponse]
    has_next: bool
    page: int
    total: int


class LabelResponse(BaseModel):
    release_label: str
    prompt_version_number: int
    release_label_id: int | None = None


class LabelsResponse(BaseModel):
    release_labels: list[LabelResponse]


class SnippetUserResponse(BaseModel):
    prompt_registry_id: int
    prompt_name: str


class SnippetUsageResponse(BaseModel):
    snippet_usage: list[SnippetUserResponse] = Field(default_factory=list)


def validate_response(model: type[ResponseModel], answer: Json, what: str) -> ResponseModel:
    """``answer`` parsed as ``model``. Raises UnavailableError for another shape."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        field = ".".join(str(step) for step in error.errors(include_url=False)[0]["loc"])
        raise UnavailableError(
            f"PromptLayer's answer about {what} is not in the documented shape"
            f"{f' ({field})' if field else ''}."
        ) from None


def build_prompt(answer: PromptResponse) -> Prompt:
    """The prompt in a response. Raises RequestRefusedError when its template is neither a chat nor
    a completion, or nested too deeply."""
    try:
        prompt = _prompt(answer, canonicalise_template(answer.prompt_template))
        _ = prompt.digest  # cached for later; computed here, where an error can be explained
    except (MalformedPayloadError, RecursionError) as error:
        why = str(error) if isinstance(error, MalformedPayloadError) else "it is nested too deeply."
        raise RequestRefusedError(
            f"Prompt {answer.id} ({answer.prompt_name!r}) cannot be understood: {why}"
        ) from None
    return prompt


def build_listed_prompt(item: PromptResponse) -> ListedPrompt:
    """The prompt in an item of a list. Never raises, so that one unreadable prompt does not hide
    the others."""
    try:
        prompt, unreadable = build_prompt(item), None
    except RequestRefusedError as error:
        prompt, unreadable = _prompt(item, {}), str(error)
    path = item.full_folder_path
    folder = "/".join(path) if isinstance(path, list) else path
    return ListedPrompt(prompt, folder or None, bool(item.is_snippet), unreadable)


def _prompt(answer: PromptResponse, template: JsonObject) -> Prompt:
    return Prompt(
        name=answer.prompt_name,
        template=template,
        metadata=canonicalise_metadata(answer.metadata),
        extra=_extra(answer),
        id=answer.id,
        version=answer.version,
        tags=tuple(answer.tags or ()),
        commit_message=answer.commit_message,
        created_at=answer.created_at,
        workspace_id=answer.workspace_id,
        source=_source(answer.metadata),
    )


def _source(metadata: JsonObject | None) -> SourceReference | None:
    """The provenance that the bridge wrote into a version's metadata."""
    stamp = (metadata or {}).get(PROVENANCE_KEY)
    if not isinstance(stamp, dict):
        return None
    told = [stamp.get(key) for key in ("repository", "path", "commit")]
    texts = [each for each in told if isinstance(each, str)]
    return SourceReference(*texts) if len(texts) == len(told) else None


def _extra(answer: PromptResponse) -> JsonObject:
    extra = canonicalise_extra(answer.model_extra or {})
    base_url = (answer.model_extra or {}).get("provider_base_url")
    if isinstance(base_url, dict) and base_url.get("name"):
        extra["provider_base_url_name"] = base_url["name"]  # written by name, read as an object
    return extra
