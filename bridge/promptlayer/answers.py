"""The shapes of PromptLayer's answers that the bridge reads, and the values made of them.

Fields that we do not read are tolerated, and so is the absence of those we can do without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import Malformed, Refused, Unavailable
from bridge.prompts.canonical import (
    PROVENANCE_KEY,
    canonical_extra,
    canonical_metadata,
    canonical_template,
)
from bridge.prompts.prompt import Json, JsonObject, Prompt, SourceReference

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class ListedPrompt:
    """A prompt as the list gives it: its newest version, or the labelled one."""

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


class PromptAnswer(BaseModel):
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


class PageAnswer(BaseModel):
    items: list[PromptAnswer]
    has_next: bool
    page: int
    total: int


class LabelAnswer(BaseModel):
    release_label: str
    prompt_version_number: int
    release_label_id: int | None = None


class LabelsAnswer(BaseModel):
    release_labels: list[LabelAnswer]


class UserAnswer(BaseModel):
    prompt_registry_id: int
    prompt_name: str


class UsageAnswer(BaseModel):
    snippet_usage: list[UserAnswer] = Field(default_factory=list)


def understood(model: type[Answer], answer: Json, what: str) -> Answer:
    """``answer`` as ``model``; raises Unavailable when it is not in the documented shape."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        field = ".".join(str(step) for step in error.errors(include_url=False)[0]["loc"])
        raise Unavailable(
            f"PromptLayer's answer about {what} is not in the documented shape"
            f"{f' ({field})' if field else ''}."
        ) from None


def prompt_of(answer: PromptAnswer) -> Prompt:
    """Raises Refused when the template is neither a chat nor a completion, or a bottomless one."""
    try:
        prompt = _prompt(answer, canonical_template(answer.prompt_template))
        _ = prompt.digest  # computed once and needed later: here we can still say what is wrong
    except (Malformed, RecursionError) as error:
        why = str(error) if isinstance(error, Malformed) else "it is nested too deeply."
        raise Refused(
            f"Prompt {answer.id} ({answer.prompt_name!r}) cannot be understood: {why}"
        ) from None
    return prompt


def listed_prompt_of(item: PromptAnswer) -> ListedPrompt:
    """Never raises: one prompt that cannot be understood does not hide the others."""
    try:
        prompt, unreadable = prompt_of(item), None
    except Refused as error:
        prompt, unreadable = _prompt(item, {}), str(error)
    path = item.full_folder_path
    folder = "/".join(path) if isinstance(path, list) else path
    return ListedPrompt(prompt, folder or None, bool(item.is_snippet), unreadable)


def _prompt(answer: PromptAnswer, template: JsonObject) -> Prompt:
    return Prompt(
        name=answer.prompt_name,
        template=template,
        metadata=canonical_metadata(answer.metadata),
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
    """What the bridge wrote into a version's metadata when it published it."""
    stamp = (metadata or {}).get(PROVENANCE_KEY)
    if not isinstance(stamp, dict):
        return None
    told = [stamp.get(key) for key in ("repository", "path", "commit")]
    texts = [each for each in told if isinstance(each, str)]
    return SourceReference(*texts) if len(texts) == len(told) else None


def _extra(answer: PromptAnswer) -> JsonObject:
    extra = canonical_extra(answer.model_extra or {})
    base_url = (answer.model_extra or {}).get("provider_base_url")
    if isinstance(base_url, dict) and base_url.get("name"):
        extra["provider_base_url_name"] = base_url["name"]  # written by name, read as an object
    return extra
