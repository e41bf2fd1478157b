"""The tables of the books, which people read: how every target stands and how it came to that."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, String, Table

from bridge.storage.database import InstantColumn, TextColumn, metadata

target_statuses_table = Table(
    "standings",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", TextColumn, primary_key=True),
    Column("name", TextColumn, nullable=False),  # the prompt's; "" where nobody told it yet
    Column("searched", TextColumn, nullable=False),  # the same, for a search that minds no capitals
    Column("path", TextColumn),
    Column("branch", TextColumn, nullable=False),
    Column("version", BigInteger),
    Column("state", String, nullable=False),
    Column("reason", TextColumn, nullable=False),
    Column("since", InstantColumn, nullable=False),  # when the state last changed
    Column("settled_state", String),  # what the last look found, while another one is awaited
    Column("settled_since", InstantColumn),
    Column("pull_request", TextColumn),  # the newest, whatever became of it
    Column("number", BigInteger),
    Column("pull_request_state", String),
    Column("seen_at", InstantColumn, nullable=False),
    Column("followed_as", String),  # the fingerprint of the selection that last held it
    Column("absent_since", InstantColumn),  # when a look found it gone, or left out
    Column("held", TextColumn),  # why it stays as it is until it is there again, or pruned
)

history_events_table = Table(
    "moments",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("mapping", String, nullable=False),
    Column("prompt_id", BigInteger, nullable=False),
    Column("label", TextColumn),  # None: of all labels
    Column("kind", String, nullable=False),
    Column("at", InstantColumn, nullable=False),
    Column("arrived_at", InstantColumn),  # when the bridge heard of it, for what happened elsewhere
    Column("version", BigInteger),
    Column("who", TextColumn),
    Column("text", TextColumn, nullable=False),
    Column("number", BigInteger),  # of the pull request
    Column("url", TextColumn),
    Column("branch", TextColumn),
    Column("delivery_id", String),
    Column("seconds", Float),  # of a pull request: from the event's arrival
)

daily_sums_table = Table(
    "days",
    metadata,
    Column("day", String, primary_key=True),  # 2026-01-31, UTC
    Column("measure", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

resyncs_table = Table(
    "sweeps",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("at", InstantColumn, nullable=False),  # when the newest one was done
    Column("seconds", Float, nullable=False),
    Column("in_step", BigInteger, nullable=False),
    Column("differing", BigInteger, nullable=False),
)

problems_table = Table(
    "problems",
    metadata,
    Column("mapping", String, primary_key=True),  # "" where it is about none
    Column("kind", String, primary_key=True),
    Column("subject", TextColumn, primary_key=True),
    Column("message", TextColumn, nullable=False),
    Column("since", InstantColumn, nullable=False),
    Column("seen_at", InstantColumn, nullable=False),
    Column("count", BigInteger, nullable=False),  # how often it ever came
    Column("attempts", BigInteger, nullable=False),  # and in a row
    Column("mended_at", InstantColumn),
)
