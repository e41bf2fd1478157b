"""Books as a bridge has them after a busy month: 10,000 prompts at two labels, 1,000,000
deliveries. The database makes the rows itself, or filling would take longer than measuring."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.status.history_events import RANK_UNIT, HistoryEventKind, get_kind_rank
from bridge.storage.database import Database

PROMPTS = 10_000
DELIVERIES = 1_000_000
SPAN = timedelta(days=30)
MAPPING = "support"
WAITING = 2_000  # proposals that wait for a look: a bad day

_MICROSECONDS = 1_000_000
_STEP = SPAN // DELIVERIES // timedelta(microseconds=1)  # between two deliveries

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
_ID = {
    "sqlite": "lower(hex(randomblob(32)))",
    "postgresql": "md5(random()::text) || md5(random()::text)",
}
_PAYLOAD = (
    '{"event_type": "prompt_template_version_created", "details": {"prompt_template_name": '
    '"support/prompt", "prompt_template_version_number": 7, "prompt_template_id": 7}, "user_id": '
    '7, "user_name": "Jane Doe", "user_email": "jane@example.com", "workspace_id": 1, '
    '"timestamp": "2026-01-02T12:00:00.000000"}'
)
_REASON = "the platform moved from version 8 to version 9"

_DELIVERIES = f"""
INSERT INTO deliveries (id, workspace_id, event_type, prompt_id, prompt_name, label, occurred_at,
    received_at, changed_at, payload, state, outcome, seen, source)
{_NUMBERS}
SELECT {{id}}, 1,
    CASE WHEN i % 10 < 7 THEN 'prompt_template_version_created'
         ELSE 'prompt_template_label_moved' END,
    i * 7919 % {PROMPTS} + 1, 'support/prompt-' || (i * 7919 % {PROMPTS} + 1),
    CASE WHEN i % 10 < 7 THEN NULL ELSE 'prod' END,
    {{first}} + i * {_STEP} - 900000, {{first}} + i * {_STEP}, {{first}} + i * {_STEP} + 3000000,
    '{{payload}}',
    CASE WHEN i >= {DELIVERIES - 20} THEN 'new'
         WHEN i % 500 = 0 THEN 'parked' WHEN i % 25 = 0 THEN 'ignored' ELSE 'done' END,
    'updated: {_REASON}', 1, 'promptlayer'
FROM n"""

_LOOKS = f"""
INSERT INTO looks (mapping, branch, prompt_id, label, delivery_id, asked_at, settled_at, kind,
    reason)
SELECT '{MAPPING}', 'promptlayer/{MAPPING}/' || coalesce(label, 'latest') || '/' || prompt_id,
    prompt_id, coalesce(label, 'latest'), id, received_at + 500000,
    CASE WHEN received_at >= {{waiting}} THEN NULL ELSE received_at + 3000000 END,
    'updated', '{_REASON}'
FROM deliveries WHERE state <> 'ignored' AND state <> 'new' ORDER BY 2, 3, 4, 5"""

_STANDINGS = f"""
INSERT INTO standings (mapping, prompt_id, label, name, searched, path, branch, version, state,
    reason, since, settled_state, settled_since, pull_request, number, pull_request_state, seen_at)
{_NUMBERS}
SELECT '{MAPPING}', i / 2 + 1, CASE WHEN i % 2 = 0 THEN 'latest' ELSE 'prod' END,
    'support/prompt-' || (i / 2 + 1), 'support/prompt-' || (i / 2 + 1),
    'prompts/latest/support/prompt-' || (i / 2 + 1) || '.yaml',
    'promptlayer/{MAPPING}/latest/' || (i / 2 + 1), 9,
    {{state}}, '{_REASON}', {{first}} + i * 7919 % {2 * PROMPTS} * {_STEP}, {{state}}, {{first}},
    'https://github.com/acme/support-bot/pull/' || i, i,
    CASE WHEN i % 10 < 3 THEN 'open' ELSE 'merged' END, {{first}}
FROM n"""
_STATE = (
    "CASE WHEN i % 10 < 3 THEN 'pull request open' WHEN i % 200 = 9 THEN 'parked'"
    " WHEN i % 200 = 19 THEN 'declined' WHEN i % 100 = 29 THEN 'needs a person'"
    " WHEN i % 100 = 39 THEN 'waiting' ELSE 'in step' END"
)

_PROPOSALS = """
INSERT INTO proposals (mapping, branch, kind, reason, pull_request, number, commit_name, attempts,
    not_before, changed_at)
SELECT mapping, branch, 'waiting', 'The forge does not answer.', pull_request, number, NULL, 3,
    {now} + 60000000, {now}
FROM standings WHERE label = 'latest'"""

_MOMENTS = f"""
INSERT INTO moments (id, mapping, prompt_id, label, kind, at, arrived_at, version, who, text,
    number, url, branch, delivery_id, seconds)
SELECT {{rank}} + received_at / {_STEP}, '{MAPPING}', prompt_id, coalesce(label, 'latest'),
    '{{kind}}', received_at + {{later}}, {{arrived}}, 9, 'Jane Doe', '{_REASON}', {{number}},
    'https://github.com/acme/support-bot/pull/' || prompt_id, NULL, id, {{seconds}}
FROM deliveries WHERE state = 'done' {{only}}"""


def fill(database: Database, now: datetime) -> None:
    """Write it all; the newest delivery came just now."""
    newest = int(now.timestamp()) * _MICROSECONDS
    first = newest - (DELIVERIES - 1) * _STEP
    numbers = {"first": first, "now": newest, "waiting": newest - WAITING * _STEP}
    texts = {"id": _ID[database.dialect], "payload": _PAYLOAD}
    with database.open_transaction() as connection:
        indexes = _without_indexes(connection, database.dialect)
    _run(database, _DELIVERIES, last=DELIVERIES - 1, **texts, **numbers)
    _run(database, _LOOKS, **numbers)
    _run(database, _STANDINGS, last=2 * PROMPTS - 1, state=_STATE, **numbers)
    _run(database, _PROPOSALS, **numbers)
    for kind, later in _WAY.items():
        _run(database, _MOMENTS, **_moment(kind, later))
    for statement in (*indexes, "ANALYZE"):
        with database.open_transaction() as connection:
            connection.exec_driver_sql(statement)


_WAY = {
    HistoryEventKind.VERSION_SAVED: -900_000,
    HistoryEventKind.RECONCILED: 3_000_000,
    HistoryEventKind.PULL_REQUEST_OPENED: 3_000_000,
    HistoryEventKind.MERGED: 3_600_000_000,
}


def _moment(kind: HistoryEventKind, later: int) -> dict[str, object]:
    of_pull_request = kind in (HistoryEventKind.PULL_REQUEST_OPENED, HistoryEventKind.MERGED)
    return {
        "kind": kind,
        "rank": get_kind_rank(kind) * RANK_UNIT,
        "later": later,
        "arrived": "received_at" if kind is HistoryEventKind.VERSION_SAVED else "NULL",
        "number": "prompt_id" if of_pull_request else "NULL",
        "seconds": "3.5" if kind is HistoryEventKind.PULL_REQUEST_OPENED else "NULL",
        "only": f"AND received_at / {_STEP} % 10 = 0" if of_pull_request else "",
    }


def _run(database: Database, statement: str, **values: object) -> None:
    """In a transaction of its own, so that the write-ahead log stays smaller than the database."""
    written = statement.format(**values)
    if database.dialect == "postgresql":  # whose driver takes a % for the place of a value
        written = written.replace("%", "%%")
    with database.open_transaction() as connection:
        connection.exec_driver_sql(written)


def _without_indexes(connection: Connection, dialect: str) -> list[str]:
    """Drop the indexes of the big tables; returns how to make them again. Keys stay."""
    tables = "('deliveries', 'looks', 'moments')"
    query = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        f" AND tbl_name IN {tables}",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE indexname NOT LIKE '%%_pkey'"
        f" AND tablename IN {tables}",
    }[dialect]
    found = connection.exec_driver_sql(query).all()
    for name, _ in found:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    return [statement for _, statement in found]
