"""How the tables came to be as they are, step by step."""

from __future__ import annotations

# Append only: a released entry is never edited. SQL that SQLite and PostgreSQL both understand.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE deliveries (
            id TEXT PRIMARY KEY,
            workspace_id BIGINT,
            event_type TEXT NOT NULL,
            prompt_id BIGINT,
            prompt_name TEXT,
            label TEXT,
            occurred_at BIGINT NOT NULL,
            received_at BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            payload TEXT NOT NULL,
            state TEXT NOT NULL,
            outcome TEXT,
            seen INTEGER NOT NULL
        )""",
        "CREATE INDEX deliveries_by_state ON deliveries (state, received_at)",
        "CREATE INDEX deliveries_by_arrival ON deliveries (received_at, id)",
        """CREATE INDEX deliveries_by_label
            ON deliveries (workspace_id, prompt_id, label, occurred_at)
            WHERE label IS NOT NULL""",
    ),
    (
        """CREATE TABLE looks (
            mapping TEXT NOT NULL,
            branch TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            label TEXT NOT NULL,
            delivery_id TEXT NOT NULL,
            asked_at BIGINT NOT NULL,
            settled_at BIGINT,
            kind TEXT,
            reason TEXT,
            PRIMARY KEY (mapping, branch, prompt_id, label, delivery_id)
        )""",
        "CREATE INDEX looks_by_delivery ON looks (delivery_id)",
        "CREATE INDEX looks_waiting ON looks (mapping, branch) WHERE settled_at IS NULL",
        """CREATE TABLE proposals (
            mapping TEXT NOT NULL,
            branch TEXT NOT NULL,
            kind TEXT NOT NULL,
            reason TEXT NOT NULL,
            pull_request TEXT,
            number BIGINT,
            commit_name TEXT,
            attempts INTEGER NOT NULL,
            not_before BIGINT,
            changed_at BIGINT NOT NULL,
            PRIMARY KEY (mapping, branch)
        )""",
        """CREATE TABLE pauses (
            repository TEXT PRIMARY KEY,
            until BIGINT NOT NULL,
            failures INTEGER NOT NULL,
            reason TEXT NOT NULL
        )""",
        "CREATE TABLE creations (forge TEXT NOT NULL, created_at BIGINT NOT NULL)",
        "CREATE INDEX creations_by_forge ON creations (forge, created_at)",
    ),
    ("ALTER TABLE deliveries ADD COLUMN source TEXT NOT NULL DEFAULT 'promptlayer'",),
    (
        """CREATE TABLE budgets (
            forge TEXT PRIMARY KEY,
            allowed BIGINT NOT NULL,
            remaining BIGINT NOT NULL,
            resets_at BIGINT NOT NULL,
            seen_at BIGINT NOT NULL
        )""",
    ),
    ("CREATE TABLE keys (name TEXT PRIMARY KEY, key TEXT NOT NULL)",),
)
