"""The tables of the books, which people read: how every target stands and how it came to that."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, String, Table

from bridge.storage.database import Instant, Words, metadata

standings = Table(
    "standings",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", Words, primary_key=True),
    Column("name", Words, nullable=False),  # the prompt's; "" where nobody told it yet
    Column("searched", Words, nullable=False),  # the same, for a search that minds no capitals
    Column("path", Words),
    Column("branch", Words, nullable=False),
    Column("version", BigInteger),
    Column("state", String, nullable=False),
    Column("reason", Words, nullable=False),
    Column("since", Instant, nullable=False),  # when the state last changed
    Column("settled_state", String),  # what the last look found, while another one is awaited
    Column("settled_since", Instant),
    Column("pull_request", Words),  # the newest, whatever became of it
    Column("number", BigInteger),
    Column("pull_request_state", String),
    Column("seen_at", Instant, nullable=False),
    Column("followed_as", String),  # the fingerprint of the selection that last held it
    Column("absent_since", Instant),  # when a look found it gone, or left out
    Column("held", Words),  # why it stays as it is until it is there again, or pruned
)

moments = Table(
    "moments",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("mapping", String, nullable=False),
    Column("prompt_id", BigInteger, nullable=False),
    Column("label", Words),  # None: of all labels
    Column("kind", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("arrived_at", Instant),  # when the bridge heard of it, for what happened elsewhere
    Column("version", BigInteger),
    Column("who", Words),
    Column("text", Words, nullable=False),
    Column("number", BigInteger),  # of the pull request
    Column("url", Words),
    Column("branch", Words),
    Column("delivery_id", String),
    Column("seconds", Float),  # of a pull request: from the event's arrival
)

days = Table(
    "days",
    metadata,
    Column("day", String, primary_key=True),  # 2026-01-31, UTC
    Column("measure", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("at", Instant, nullable=False),  # when the newest one was done
    Column("seconds", Float, nullable=False),
    Column("in_step", BigInteger, nullable=False),
    Column("differing", BigInteger, nullable=False),
)

problems = Table(
    "problems",
    metadata,
    Column("mapping", String, primary_key=True),  # "" where it is about none
    Column("kind", String, primary_key=True),
    Column("subject", Words, primary_key=True),
    Column("message", Words, nullable=False),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("count", BigInteger, nullable=False),  # how often it ever came
    Column("attempts", BigInteger, nullable=False),  # and in a row
    Column("mended_at", Instant),
)
