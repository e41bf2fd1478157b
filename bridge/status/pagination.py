"""Pages by keyset: each names the last row of the page before, so that the thousandth page costs
what the first costs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, literal, tuple_

from bridge.errors import InvalidInputError

PageRow = TypeVar("PageRow")
SortKey = Sequence[ColumnElement[Any]]

DEFAULT_PAGE_SIZE = 50  # rows, where nobody says how many


@dataclass(frozen=True)
class Page(Generic[PageRow]):
    """Some rows, and how to go on: ``next_cursor`` is what to give as ``after`` for the page behind this
    one, None at the end. A page may be short, even empty, and have a next one: only so many rows
    are looked through at once."""

    rows: tuple[PageRow, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[PageRow]:
        return iter(self.rows)


def encode_cursor(values: Sequence[Any]) -> str:
    """A row's key as text that fits into an address."""
    told = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def select_after_cursor(
    query: Select[Any], key: SortKey, after: str | None, *, down: bool = False
) -> Select[Any]:
    """The query in the order of its key, from behind a cursor. Raises InvalidInputError for a
    cursor that is none."""
    query = query.order_by(*(each.desc() if down else each for each in key))
    if after is None:
        return query
    here = tuple_(*key)
    there = tuple_(*(literal(v, each.type) for v, each in zip(_read(after, key), key, strict=True)))
    return query.where(here < there if down else here > there)


def _read(text: str, key: SortKey) -> list[Any]:
    with suppress(ValueError, binascii.Error, UnicodeError):
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(told, list) and len(told) == len(key):
            return [_value(each, column) for each, column in zip(told, key, strict=True)]
    raise InvalidInputError("There is no such page. Begin again at the first one.")


def _value(told: Any, column: ColumnElement[Any]) -> Any:
    wanted = column.type.python_type
    if wanted is datetime:
        moment = datetime.fromisoformat(told if isinstance(told, str) else "")
        if moment.tzinfo is None:
            raise ValueError
        return moment
    if not isinstance(told, wanted) or (isinstance(told, int) and abs(told) >= 2**63):
        raise ValueError
    if isinstance(told, str) and "\0" in told.encode().decode():  # half characters do not encode
        raise ValueError
    return told
