"""Settings of what watches over a running bridge, and of its door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr

from bridge.config_types import Settings


class LogSettings(Settings):
    """What `serve` and `work` write to standard error."""

    format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object a line."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is written."
    )


def every_secret(value: object) -> Iterator[str]:
    """Each secret below a setting, and the password of each address among them."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield text
        if password := _password(text):
            yield password
    elif isinstance(value, BaseModel):
        for inner in vars(value).values():
            yield from every_secret(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from every_secret(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from every_secret(inner)


def _password(address: str) -> str | None:
    try:
        found = urlsplit(address).password
    except ValueError:
        return None
    return unquote(found) if found else None
