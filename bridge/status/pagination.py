"""Keyset pagination: a cursor holds the sort key of a page's last row, so the thousandth page costs
as much as the first (https://use-the-index-luke.com/no-offset)."""

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

DEFAULT_PAGE_SIZE = 50  # rows


@dataclass(frozen=True)
class Page(Generic[PageRow]):
    """The rows of one page. ``next_cursor`` is the ``after`` of the next page, None at the end. A
    page may be short or even empty and have a next one, where a query filters a limited number of
    rows."""

    rows: tuple[PageRow, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[PageRow]:
        return iter(self.rows)


def encode_cursor(values: Sequence[Any]) -> str:
    """A sort key as text for a web address (URL-safe base64 of JSON)."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def select_after_cursor(
    query: Select[Any], key: SortKey, after: str | None, *, down: bool = False
) -> Select[Any]:
    """The query in the order of ``key``, from behind a cursor. Raises InvalidInputError for a text
    that is no cursor of this key."""
    query = query.order_by(*(each.desc() if down else each for each in key))
    if after is None:
        return query
    here = tuple_(*key)
    there = tuple_(*(literal(v, each.type) for v, each in zip(_read(after, key), key, strict=True)))
    return query.where(here < there if down else here > there)


def _read(text: str, key: SortKey) -> list[Any]:
    with suppress(ValueError, binascii.Error, UnicodeError):
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(values, list) and len(values) == len(key):
            return [_value(each, column) for each, column in zip(values, key, strict=True)]
    raise InvalidInputError("There is no such page. Begin again at the first one.")


def _value(values: Any, column: ColumnElement[Any]) -> Any:
    wanted = column.type.python_type
    if wanted is datetime:
        time = datetime.fromisoformat(values if isinstance(values, str) else "")
        if time.tzinfo is None:
            raise ValueError
        return time
    if not isinstance(values, wanted) or (isinstance(values, int) and abs(values) >= 2**63):
        raise ValueError
    if (
        isinstance(values, str) and "\0" in values.encode().decode()
    ):  # a lone surrogate does not encode
        raise ValueError
    return values
