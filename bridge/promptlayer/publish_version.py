"""Write to PromptLayer: publish versions, move release labels, delete prompts.

PromptLayer has no compare-and-swap: the caller compares right before it writes, and the number of
the new version shows whether another one was saved in between.
https://docs.promptlayer.com/reference/templates-publish
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.errors import NotFoundError, RequestRefusedError
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.response_models import LabelsResponse, validate_response
from bridge.prompts.canonical_form import PROVENANCE_KEY, expand_template
from bridge.prompts.prompt import Json, JsonObject, Prompt

MAX_MESSAGE_LENGTH = 72  # characters of a commit message
EXTERNAL_SOURCE = "git"


@dataclass(frozen=True)
class VersionProvenance:
    """The origin of a published version. It is stored in the version's metadata and never
    compared."""

    commit: str
    repository: str
    path: str
    pull_request: str | None = None  # address

    def build_metadata(self) -> JsonObject:
        told = {"commit": self.commit, "repository": self.repository, "path": self.path}
        return told | ({"pull_request": self.pull_request} if self.pull_request else {})


@dataclass(frozen=True)
class PublishedVersion:
    """A created version. ``version`` is None where PromptLayer does not return it."""

    prompt_id: int
    version: int | None


def publish_version(
    promptlayer: PromptLayerClient,
    prompt: Prompt,
    *,
    message: str,
    provenance: VersionProvenance,
    labels: Sequence[str] = (),
    external_id: str | None = None,
) -> PublishedVersion:
    """Publish a new version of the prompt of this name, or a new prompt; ``labels`` are created or
    moved to it. Raises RequestRefusedError with PromptLayer's message, and the errors of every
    call."""
    body = _body(prompt, message, provenance, labels)
    if external_id is not None:
        body["external_ids"] = [{"source": EXTERNAL_SOURCE, "external_id": external_id}]
    answer = promptlayer.send("POST", "/rest/prompt-templates", body)
    return _published(answer, prompt)


def _body(
    prompt: Prompt, message: str, provenance: VersionProvenance, labels: Sequence[str]
) -> JsonObject:
    return {
        "prompt_template": {"prompt_name": prompt.name, "tags": list(prompt.tags)},
        "prompt_version": {
            "prompt_template": expand_template(prompt.template),
            "commit_message": shorten_commit_message(message),
            "metadata": {**prompt.metadata, PROVENANCE_KEY: provenance.build_metadata()},
            **prompt.extra,
        },
        "release_labels": list(labels) or None,
    }


def shorten_commit_message(message: str) -> str:
    """The first line of a commit message, cut to the length that PromptLayer accepts."""
    line = message.strip().split("\n", 1)[0].strip()
    return (
        line if len(line) <= MAX_MESSAGE_LENGTH else f"{line[: MAX_MESSAGE_LENGTH - 1].rstrip()}…"
    )


def _published(answer: Json, prompt: Prompt) -> PublishedVersion:
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
        raise RequestRefusedError(
            f"PromptLayer did not say which prompt it made of {prompt.name!r}."
        )
    number = answer.get("version_number")
    return PublishedVersion(answer["id"], number if isinstance(number, int) else None)


def delete_prompt(promptlayer: PromptLayerClient, prompt: Prompt, *, is_snippet: bool) -> None:
    """Delete a prompt with all its versions; PromptLayer lists it among the deleted ones. Raises
    NotFoundError where there is none, and RequestRefusedError with PromptLayer's message."""
    entity = {"id": prompt.id, "type": "SNIPPET" if is_snippet else "PROMPT"}
    body = {"entities": [entity], "workspace_id": prompt.workspace_id, "cascade": False}
    promptlayer.send("DELETE", "/api/public/v2/folders/entities", body)


def move_label(promptlayer: PromptLayerClient, prompt_id: int, label: str, version: int) -> bool:
    """Move a release label to a version, creating it where it does not exist. False when it is
    there already. Raises RequestRefusedError with PromptLayer's message where the label is
    protected."""
    answer = promptlayer.send("GET", f"/prompt-templates/{prompt_id}/labels", None)
    known = validate_response(
        LabelsResponse, answer, f"the labels of prompt {prompt_id}"
    ).release_labels
    found = next((each for each in known if each.release_label == label), None)
    if found is None:
        told = {"prompt_version_number": version, "name": label}
        promptlayer.send("POST", f"/prompts/{prompt_id}/label", told)
        return True
    if found.prompt_version_number == version:
        return False
    if found.release_label_id is None:
        raise NotFoundError(
            f"PromptLayer does not tell the id of label {label} of prompt {prompt_id}."
        )
    told = {"prompt_version_number": version}
    promptlayer.send("PATCH", f"/prompt-labels/{found.release_label_id}", told)
    return True
