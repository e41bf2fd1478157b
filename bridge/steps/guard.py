"""Guard what leaves: no secret in a prompt enters git's history or PromptLayer."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.config.mapping import MappingSettings
from bridge.errors import Refused
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import NewPrompt, Publication
from bridge.prompts.secrets import leaks

_TOLD = 3  # places that are named, where there are more


def guard(mapping: MappingSettings, prompt: Prompt, holder: str) -> None:
    """Raise Refused where a prompt holds a secret that the mapping does not allow: what kind and
    where, never the secret. ``holder`` says whose text it is, at the beginning of a sentence."""
    found = leaks(prompt, mapping.secrets.allow)
    if not found:
        return
    places = [f"{leak.kind} in {leak.where}" for leak in found[:_TOLD]]
    if len(found) > _TOLD:
        places.append(f"{len(found) - _TOLD} more")
    raise Refused(
        f"{holder} holds what looks like a secret ({'; '.join(places)}), so it goes nowhere. Take"
        f" it out, or allow it in `secrets` of mapping {mapping.name} if it is none."
    )


def leaks_of(mapping: MappingSettings, work: Iterable[Publication | NewPrompt]) -> dict[str, str]:
    """Path → what is wrong, for the files that ``guard`` would not let go to PromptLayer."""
    found = {}
    for one in work:
        try:
            guard(mapping, one.prompt, f"{one.path}: the file")
        except Refused as error:
            found[one.path] = str(error)
    return found
