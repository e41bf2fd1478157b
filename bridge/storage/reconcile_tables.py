"""The tables of the engine's work: requested reconciles, the latest outcome of each proposal, and
repository jobs. Their SQL names are older than the names in the code."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, and_

from bridge.storage.database import InstantColumn, TextColumn, metadata

reconcile_requests_table = Table(
    "looks",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("branch", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", String, primary_key=True),
    Column("delivery_id", String, primary_key=True),  # "" without a delivery
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

IS_OF_PROPOSAL = and_(
    reconcile_requests_table.c.mapping == proposals_table.c.mapping,
    reconcile_requests_table.c.branch == proposals_table.c.branch,
)
requests_with_proposals = reconcile_requests_table.outerjoin(proposals_table, IS_OF_PROPOSAL)

repository_jobs_table = Table(
    "errands",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("mapping", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("asked_at", InstantColumn, nullable=False),
    Column("settled_at", InstantColumn),
    Column("problem", TextColumn),  # why it waits, or the error that needs a person
)
