"""Guard what leaves: no secret in a prompt enters git's history or PromptLayer."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.config.mapping_settings import MappingSettings
from bridge.errors import RequestRefusedError
from bridge.prompts.planning.publication import NewPromptFile, PromptPublication
from bridge.prompts.prompt import Prompt
from bridge.prompts.secret_scan import find_secrets

_TOLD = 3  # places that are named, where there are more


def require_no_secrets(mapping: MappingSettings, prompt: Prompt, holder: str) -> None:
    """Raise RequestRefusedError where a prompt holds a secret that the mapping does not allow: what
    kind and where, never the secret. ``holder`` says whose text it is, at the beginning of a
    sentence."""
    found = find_secrets(prompt, mapping.secrets.allow)
    if not found:
        return
    places = [f"{leak.kind} in {leak.location}" for leak in found[:_TOLD]]
    if len(found) > _TOLD:
        places.append(f"{len(found) - _TOLD} more")
    raise RequestRefusedError(
        f"{holder} holds what looks like a secret ({'; '.join(places)}), so it goes nowhere. Take"
        f" it out, or allow it in `secrets` of mapping {mapping.name} if it is none."
    )


def find_secrets_in_files(
    mapping: MappingSettings, work: Iterable[PromptPublication | NewPromptFile]
) -> dict[str, str]:
    """Path → what is wrong, for the files that ``require_no_secrets`` would not let go to PromptLayer."""
    found = {}
    for one in work:
        try:
            require_no_secrets(mapping, one.prompt, f"{one.path}: the file")
        except RequestRefusedError as error:
            found[one.path] = str(error)
    return found
