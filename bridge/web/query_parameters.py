"""Parse the query parameters of an address. A value that cannot be parsed counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

_Kind = TypeVar("_Kind", bound=StrEnum)
_LONGEST = 200  # characters of one value


def remove_nul(text: str) -> str:
    """The text without NUL characters, which PostgreSQL rejects."""
    return text.replace("\0", "")


@dataclass(frozen=True)
class QueryParameters:
    """The named parameters of an address; empty ones count as absent."""

    path: str
    values: Mapping[str, str]

    @classmethod
    def from_request(cls, request: Request, *names: str) -> QueryParameters:
        given = request.query_params
        values = {name: remove_nul(given.get(name, ""))[:_LONGEST].strip() for name in names}
        return cls(request.url.path, {name: value for name, value in values.items() if value})

    def get_text(self, name: str) -> str | None:
        return self.values.get(name)

    def get_number(self, name: str) -> int | None:
        text = self.values.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

    def get_enum(self, kinds: type[_Kind], name: str) -> _Kind | None:
        text = self.values.get(name)
        return kinds(text) if text in tuple(kinds) else None

    def build_address_with(self, **changes: str | None) -> str:
        """The address with these parameters changed; None removes one."""
        values = {k: v for k, v in {**self.values, **changes}.items() if v}
        return f"{self.path}?{urlencode(values)}" if values else self.path
