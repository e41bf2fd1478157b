"""The tables of target statuses, history, sums, resyncs and problems. Their SQL names are older
than the names in the code."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, String, Table

from bridge.storage.database import InstantColumn, TextColumn, metadata

target_statuses_table = Table(
    "standings",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", TextColumn, primary_key=True),
    Column("name", TextColumn, nullable=False),  # the prompt's; "" where it is unknown
    Column("searched", TextColumn, nullable=False),  # the name in lower case, for searches
    Column("path", TextColumn),
    Column("branch", TextColumn, nullable=False),
    Column("version", BigInteger),
    Column("state", String, nullable=False),
    Column("reason", TextColumn, nullable=False),
    Column("since", InstantColumn, nullable=False),  # when the state last changed
    Column("settled_state", String),  # of the last reconcile, while another is pending
    Column("settled_since", InstantColumn),
    Column("pull_request", TextColumn),  # the newest, in any state
    Column("number", BigInteger),
    Column("pull_request_state", String),
    Column("seen_at", InstantColumn, nullable=False),
    Column("followed_as", String),  # fingerprint of the selection that last matched it
    Column("absent_since", InstantColumn),  # when a reconcile found it deleted or excluded
    Column("held", TextColumn),  # why it stays as it is until it is back or pruned
    Column("workspace_id", BigInteger),  # of the prompt in PromptLayer
)

# Apart from the statuses, as lists and scans read those and never the differences.
target_differences_table = Table(
    "target_differences",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", TextColumn, primary_key=True),
    Column("compared_at", InstantColumn, nullable=False),
    Column("difference", TextColumn, nullable=False),  # JSON
)

audit_entries_table = Table(
    "audit_entries",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", InstantColumn, nullable=False),
    Column("actor", TextColumn, nullable=False),  # who acted
    Column("channel", String, nullable=False),  # dashboard or command line
    Column("action", String, nullable=False),
    Column("mapping", TextColumn, nullable=False),  # "" where it concerns none
    Column("subject", TextColumn, nullable=False),  # "" where the action says all
    Column("link", TextColumn, nullable=False),  # path of the dashboard; "" for none
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
    Column("arrived_at", InstantColumn),  # when the delivery was received, of events elsewhere
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
    Column("mapping", String, primary_key=True),  # "" where it concerns none
    Column("kind", String, primary_key=True),
    Column("subject", TextColumn, primary_key=True),
    Column("message", TextColumn, nullable=False),
    Column("since", InstantColumn, nullable=False),
    Column("seen_at", InstantColumn, nullable=False),
    Column("count", BigInteger, nullable=False),  # occurrences ever
    Column("attempts", BigInteger, nullable=False),  # occurrences in a row
    Column("mended_at", InstantColumn),
)
