"""Store the difference of each target whose two sides differ, as the last reconcile found it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from bridge.prompts.planning.side_difference import SideDifference, decode_difference
from bridge.prompts.target import Target
from bridge.status.tables import target_differences_table
from bridge.status.target_status import ReconcileResult
from bridge.storage.database import Database

_KEY = ("mapping", "prompt_id", "label")


@dataclass(frozen=True)
class StoredDifference:
    """The difference of one target, and when a reconcile found it."""

    target: Target
    difference: SideDifference
    compared_at: datetime


def record_differences(
    connection: Connection, database: Database, results: Sequence[ReconcileResult]
) -> None:
    """Store the differences that a reconcile found, and delete those of targets that do not differ
    any more. A target that was not observed is left unchanged."""
    rows, equal = [], []
    for result in sorted(results, key=lambda each: each.target):
        observation = result.observation
        if observation is None:
            continue
        is_published = any(
            target == result.target for target, _ in result.outcome.published_versions
        )
        if observation.difference is None or is_published:
            equal.append(result.target)
        else:
            values = {"compared_at": result.now, "difference": observation.difference.encode()}
            rows.append({**_key_of(result.target), **values})
    delete_differences(connection, equal)
    if rows:
        insert = database.build_insert(target_differences_table)
        changed = {name: insert.excluded[name] for name in ("compared_at", "difference")}
        connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=changed), rows)


def delete_differences(
    connection: Connection, targets: Iterable[Target], before: datetime | None = None
) -> None:
    """Delete the differences of targets; with ``before``, only those that were found before it."""
    rows = [{f"of_{name}": value for name, value in _key_of(t).items()} for t in sorted(targets)]
    older = () if before is None else (target_differences_table.c.compared_at < before,)
    if rows:
        connection.execute(_DELETE.where(*older), rows)


def delete_differences_of_other_mappings(
    connection: Connection, mappings: Collection[str], before: datetime
) -> None:
    """Delete the differences of removed mappings that were found before ``before``."""
    connection.execute(
        delete(target_differences_table).where(
            target_differences_table.c.mapping.not_in(list(mappings)),
            target_differences_table.c.compared_at < before,
        )
    )


def read_differences(
    connection: Connection, mapping: str, prompt_id: int
) -> dict[str, StoredDifference]:
    """The stored differences of one prompt, by label."""
    query = select(target_differences_table).where(
        target_differences_table.c.mapping == mapping,
        target_differences_table.c.prompt_id == prompt_id,
    )
    return {
        row.label: StoredDifference(
            Target(row.mapping, row.prompt_id, row.label),
            decode_difference(row.difference),
            row.compared_at,
        )
        for row in connection.execute(query)
    }


def _key_of(target: Target) -> dict[str, object]:
    return {"mapping": target.mapping, "prompt_id": target.prompt_id, "label": target.label}


_DELETE = delete(target_differences_table).where(
    *(target_differences_table.c[name] == bindparam(f"of_{name}") for name in _KEY)
)
