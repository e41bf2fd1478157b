"""Moments: the way of one prompt, from the editor who saved it to the version that was published.

Each is told once: its id is made of what it is, so writing it again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from bridge.books.tables import moments
from bridge.storage.database import Database

_HASH_BITS = 56
RANK_UNIT = 1 << _HASH_BITS  # ids of one kind are together
_TEXT_LIMIT = 500  # characters


class MomentKind(StrEnum):
    """In the order in which those of one instant are told."""

    SAVED = "saved"
    LABELLED = "label moved"  # made, moved or removed in PromptLayer
    RENAMED = "renamed"
    DELETED = "deleted"
    REQUESTED = "approval requested"
    APPROVED = "approved"
    DENIED = "denied"
    TOLD = "told"  # any other event about the prompt
    ARRIVED = "event arrived"  # told with what happened, not by itself
    MERGED = "merged"
    CLOSED = "closed"
    LOOKED = "looked at"
    WITHDRAWN = "withdrawn"
    PUBLISHED = "published"
    MOVED = "label moved by the bridge"
    OPENED = "pull request opened"
    UPDATED = "pull request updated"
    CONFLICT = "both sides edited"
    PERSON = "needs a person"
    PARKED = "parked"


_RANK = {kind: rank for rank, kind in enumerate(MomentKind)}


def rank(kind: MomentKind) -> int:
    """A kind's place among those of one instant."""
    return _RANK[kind]


@dataclass(frozen=True)
class Moment:
    kind: MomentKind
    mapping: str
    prompt_id: int
    label: str | None  # None: all labels of the prompt
    at: datetime  # when it happened; for an event, as PromptLayer says
    text: str = ""
    arrived_at: datetime | None = None  # when the bridge heard of it, where it happened elsewhere
    version: int | None = None
    who: str | None = None
    number: int | None = None  # of the pull request
    url: str | None = None
    branch: str | None = None
    delivery_id: str | None = None
    seconds: float | None = None  # OPENED: since the event arrived


def identity(moment: Moment, *what: object) -> int:
    """A number for what a moment is, the same whenever it is told: its kind's place in front, so
    that moments of one instant are in order, and a hash behind it."""
    told = [moment.mapping, moment.prompt_id, moment.label, *what]
    digest = hashlib.blake2b(repr(told).encode(), digest_size=_HASH_BITS // 8).digest()
    return rank(moment.kind) * RANK_UNIT + int.from_bytes(digest)


Told = Mapping[int, Moment]  # by identity


def note(connection: Connection, database: Database, told: Told) -> None:
    """Write down what is not there yet."""
    rows = [_row(id, moment) for id, moment in sorted(told.items())]
    if rows:
        connection.execute(database.insert(moments).on_conflict_do_nothing(), rows)


def _row(id: int, moment: Moment) -> dict[str, Any]:
    text = moment.text if len(moment.text) <= _TEXT_LIMIT else moment.text[: _TEXT_LIMIT - 1] + "…"
    return {"id": id, **vars(moment), "text": text}


def moment_from(row: Mapping[str, Any]) -> Moment:
    named = {field.name: row[field.name] for field in fields(Moment)}
    return Moment(**named | {"kind": MomentKind(named["kind"])})


def by_identity(some: Iterable[tuple[Moment, tuple[object, ...]]]) -> dict[int, Moment]:
    """Moments with what tells each from others of its kind."""
    return {identity(moment, *what): moment for moment, what in some}
