"""References to snippets: ``@@@name@@@``, ``@@@name@version_number:3@@@``,
``@@@name@label:prod@@@``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.prompts.prompt import Json

_REFERENCE = re.compile(r"@@@(.+?)(?:@(version_number|label):(.+?))?@@@")
_PLACES = ("messages", "content", "tools")


@dataclass(frozen=True)
class SnippetReference:
    """One reference as written. Without version and label it means the newest version."""

    name: str  # case-sensitive
    version: int | None = None
    label: str | None = None


def find_snippet_references(prompt_template: Json) -> tuple[SnippetReference, ...]:
    """The snippets a template refers to, each once, in order of appearance."""
    found = (
        _reference(*match.groups())
        for place in _PLACES
        for text in _texts(prompt_template.get(place))
        for match in _REFERENCE.finditer(text)
    )
    return tuple(dict.fromkeys(found))


def _reference(name: str, pin: str | None, value: str | None) -> SnippetReference:
    if pin == "label":
        return SnippetReference(name, label=value)
    if pin and value and value.isdecimal() and len(value) < 19:
        return SnippetReference(name, version=int(value))
    return SnippetReference(name)


def _texts(json: Json) -> Iterator[str]:
    """Every text in a JSON value, in order. Not recursive: the platform's nesting has no limit."""
    waiting = [json]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
