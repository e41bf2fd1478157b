"""The tables of the ledger: looks that are wanted, and the last word on each proposal."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from bridge.storage.database import InstantColumn, TextColumn, metadata

reconcile_requests_table = Table(
    "looks",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("branch", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", String, primary_key=True),
    Column("delivery_id", String, primary_key=True),  # "" for a look no delivery asked for
    Column("asked_at", InstantColumn, nullable=False),
    Column("settled_at", InstantColumn),
    Column("kind", String),
    Column("reason", TextColumn),
)

proposals_table = Table(
    "proposals",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("branch", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("reason", TextColumn, nullable=False),
    Column("pull_request", String),
    Column("number", BigInteger),
    Column("commit_name", String),
    Column("attempts", Integer, nullable=False),
    Column("not_before", InstantColumn),
    Column("changed_at", InstantColumn, nullable=False),
)

repository_jobs_table = Table(
    "errands",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("mapping", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("asked_at", InstantColumn, nullable=False),
    Column("settled_at", InstantColumn),
    Column("problem", TextColumn),  # why it waits, or what it came to where that needs a person
)
