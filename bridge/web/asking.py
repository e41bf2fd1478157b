"""What a visitor asks for, read from an address. What makes no sense counts as not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

_Kind = TypeVar("_Kind", bound=StrEnum)
_LONGEST = 200  # characters of one value


def kept(text: str) -> str:
    """What a database keeps of a text: PostgreSQL takes no NUL."""
    return text.replace("\0", "")


@dataclass(frozen=True)
class Asked:
    """The named parameters of an address; empty ones count as not there."""

    path: str
    given: Mapping[str, str]

    @classmethod
    def by(cls, request: Request, *names: str) -> Asked:
        given = request.query_params
        told = {name: kept(given.get(name, ""))[:_LONGEST].strip() for name in names}
        return cls(request.url.path, {name: value for name, value in told.items() if value})

    def text(self, name: str) -> str | None:
        return self.given.get(name)

    def number(self, name: str) -> int | None:
        text = self.given.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

    def one_of(self, kinds: type[_Kind], name: str) -> _Kind | None:
        text = self.given.get(name)
        return kinds(text) if text in tuple(kinds) else None

    def but(self, **changes: str | None) -> str:
        """The address with these parameters changed; None takes one away."""
        told = {k: v for k, v in {**self.given, **changes}.items() if v}
        return f"{self.path}?{urlencode(told)}" if told else self.path
