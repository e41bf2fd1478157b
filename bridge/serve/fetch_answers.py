"""Fetch PromptLayer's answer for a version: unrendered, once, and kept with the release.

https://docs.promptlayer.com/reference/templates-get describes ``POST /prompt-templates/{id}``; the
flag ``skip_input_variable_rendering`` is that of PromptLayer's SDKs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.errors import StaleStateError, UnavailableError
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.prompt import JsonObject
from bridge.prompts.snippets import SnippetReference
from bridge.serve.release import AnswerKey, PromptAnswer
from bridge.serve.release_replica import ReleaseReplica
from bridge.serve.release_store import build_answer

_TRIES = 3  # that are lost to other processes


@dataclass(frozen=True)
class AnswerFetcher:
    """Fetches answers that are not kept yet. ``find_client`` gives the client of a workspace by
    its source."""

    find_client: Callable[[str], PromptLayerClient]
    replica: ReleaseReplica

    def fetch_answer(self, key: AnswerKey) -> PromptAnswer:
        """Ask PromptLayer for an answer. It is stored and announced where a release names its
        version; whoever asks for another version asks PromptLayer each time. Raises what the
        client raises; StaleStateError where PromptLayer's snippets are others than those of the
        answer that was confirmed."""
        for _ in range(_TRIES):
            seen = self.replica.refresh()
            answer = request_answer(self.find_client(key.source), key)
            snapshot = self.replica.index.snapshot
            if not any(
                (each.source, each.prompt_id, release.version)
                == (key.source, key.prompt_id, key.version)
                for each, release in snapshot.releases.items()
            ):
                return answer
            confirmed = snapshot.answers.get(AnswerKey(key.source, key.prompt_id, key.version))
            if confirmed is None or read_snippets(confirmed) != read_snippets(answer):
                raise StaleStateError(
                    f"Snippets of prompt {key.prompt_id} have other versions in PromptLayer than"
                    " those that are merged."
                )
            if self.replica.store.save_answers([answer], seen):
                self.replica.refresh()
                self.replica.keep_provider_key(key, answer.provider_key)
                return answer
        raise StaleStateError(f"Prompt {key.prompt_id} changes too fast; ask again.")


def request_answer(client: PromptLayerClient, key: AnswerKey) -> PromptAnswer:
    """PromptLayer's answer, as it is now. Raises what the client raises, and UnavailableError for
    an answer that is about something else."""
    wanted: JsonObject = {"version": key.version, "skip_input_variable_rendering": True}
    wanted |= {"provider": key.provider} if key.provider else {}
    wanted |= {"model": key.model} if key.model else {}
    body = client.send("POST", f"/prompt-templates/{key.prompt_id}", wanted)
    # PromptLayer looks a number up as a name too; a prompt called "17" is not prompt 17.
    if not isinstance(body, dict) or (body.get("id"), body.get("version")) != (
        key.prompt_id,
        key.version,
    ):
        raise UnavailableError(
            f"PromptLayer was asked for version {key.version} of prompt {key.prompt_id} and"
            " answered something else."
        )
    body.pop("request_id", None)  # of the bridge's own request
    return build_answer(key, *_split_provider_key(body))


def _split_provider_key(body: JsonObject) -> tuple[bytes, str | None]:
    """The body without the key of a custom provider, and that key."""
    provider, key = body.get("custom_provider"), None
    if isinstance(provider, dict) and isinstance(provider.get("api_key"), str):
        key, body = provider["api_key"], {**body, "custom_provider": {**provider, "api_key": None}}
    return json.dumps(body).encode(), key


def needs_provider_key(answer: PromptAnswer) -> bool:
    """Whether PromptLayer gave the key of a custom provider with it, which this process does not
    have: after a start, and where another process fetched it."""
    return (
        answer.provider_key is None
        and b'"api_key": null' in answer.body
        and isinstance(json.loads(answer.body).get("custom_provider"), dict)
    )


def read_snippets(answer: PromptAnswer) -> frozenset[SnippetReference]:
    """The snippets that PromptLayer put into an answer, with the versions they had."""
    if b'"snippets": []' in answer.body or b'"snippets"' not in answer.body:
        return frozenset()
    found = json.loads(answer.body).get("snippets")
    return frozenset(
        SnippetReference(each["prompt_name"], each["version"], each.get("label"))
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, Mapping)
        and isinstance(each.get("prompt_name"), str)
        and isinstance(each.get("version"), int)
    )
