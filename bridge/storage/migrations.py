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
    (
        """CREATE TABLE standings (
            mapping TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            label TEXT NOT NULL,
            name TEXT NOT NULL,
            searched TEXT NOT NULL,
            path TEXT,
            branch TEXT NOT NULL,
            version BIGINT,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            since BIGINT NOT NULL,
            settled_state TEXT,
            settled_since BIGINT,
            pull_request TEXT,
            number BIGINT,
            pull_request_state TEXT,
            seen_at BIGINT NOT NULL,
            PRIMARY KEY (mapping, prompt_id, label)
        )""",
        "CREATE INDEX standings_by_name ON standings (searched, mapping, prompt_id, label)",
        "CREATE INDEX standings_by_age ON standings (since, mapping, prompt_id, label)",
        "CREATE INDEX standings_by_branch ON standings (mapping, branch)",
        """CREATE INDEX standings_by_pull_request
            ON standings (mapping, number) WHERE number IS NOT NULL""",
        """CREATE TABLE moments (
            id BIGINT PRIMARY KEY,
            mapping TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            label TEXT,
            kind TEXT NOT NULL,
            at BIGINT NOT NULL,
            arrived_at BIGINT,
            version BIGINT,
            who TEXT,
            text TEXT NOT NULL,
            number BIGINT,
            url TEXT,
            branch TEXT,
            delivery_id TEXT,
            seconds DOUBLE PRECISION
        )""",
        "CREATE INDEX moments_by_prompt ON moments (mapping, prompt_id, at, id)",
        "CREATE INDEX moments_by_kind ON moments (kind, at)",
        """CREATE INDEX moments_by_pull_request
            ON moments (mapping, number, at, id) WHERE number IS NOT NULL""",
        """CREATE TABLE days (
            day TEXT NOT NULL,
            measure TEXT NOT NULL,
            source TEXT NOT NULL,
            kind TEXT NOT NULL,
            outcome TEXT NOT NULL,
            count BIGINT NOT NULL,
            PRIMARY KEY (day, measure, source, kind, outcome)
        )""",
        """CREATE TABLE sweeps (
            mapping TEXT PRIMARY KEY,
            at BIGINT NOT NULL,
            seconds DOUBLE PRECISION NOT NULL,
            in_step BIGINT NOT NULL,
            differing BIGINT NOT NULL
        )""",
        "DROP INDEX looks_waiting",
        """CREATE INDEX looks_waiting
            ON looks (mapping, branch, asked_at) WHERE settled_at IS NULL""",
        "DROP INDEX deliveries_by_arrival",
        "CREATE INDEX deliveries_by_day ON deliveries (received_at, state, event_type, source)",
        """CREATE INDEX deliveries_by_prompt
            ON deliveries (prompt_id, received_at) WHERE prompt_id IS NOT NULL""",
    ),
    (
        """CREATE TABLE members (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            started_at BIGINT NOT NULL,
            beaten_at BIGINT NOT NULL
        )""",
        "CREATE TABLE turns (name TEXT PRIMARY KEY, taken_at BIGINT NOT NULL)",
    ),
    (
        """CREATE TABLE reservations (
            mapping TEXT NOT NULL,
            branch TEXT NOT NULL,
            taken_at BIGINT NOT NULL,
            PRIMARY KEY (mapping, branch)
        )""",
    ),
    (
        # With the column of its condition SQLite reads it alone, and no row of the table.
        "DROP INDEX looks_waiting",
        """CREATE INDEX looks_waiting
            ON looks (mapping, branch, asked_at, settled_at) WHERE settled_at IS NULL""",
        """CREATE INDEX standings_by_state
            ON standings (state, since, mapping, prompt_id, label, searched)""",
    ),
    (
        "CREATE TABLE ended_sessions (session TEXT PRIMARY KEY, over_at BIGINT NOT NULL)",
        "CREATE INDEX ended_sessions_by_time ON ended_sessions (over_at)",
    ),
    (
        "ALTER TABLE standings ADD COLUMN followed_as TEXT",
        "ALTER TABLE standings ADD COLUMN absent_since BIGINT",
        "ALTER TABLE standings ADD COLUMN held TEXT",
        """CREATE TABLE problems (
            mapping TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            message TEXT NOT NULL,
            since BIGINT NOT NULL,
            seen_at BIGINT NOT NULL,
            count BIGINT NOT NULL,
            attempts BIGINT NOT NULL,
            mended_at BIGINT,
            PRIMARY KEY (mapping, kind, subject)
        )""",
        """CREATE TABLE errands (
            delivery_id TEXT NOT NULL,
            mapping TEXT NOT NULL,
            kind TEXT NOT NULL,
            asked_at BIGINT NOT NULL,
            settled_at BIGINT,
            problem TEXT,
            PRIMARY KEY (delivery_id, mapping, kind)
        )""",
    ),
    (
        "CREATE TABLE served_revision (revision BIGINT NOT NULL)",
        """CREATE TABLE served_releases (
            source TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            label TEXT NOT NULL,
            mapping TEXT NOT NULL,
            name TEXT NOT NULL,
            version BIGINT NOT NULL,
            commit_name TEXT NOT NULL,
            path TEXT NOT NULL,
            digest TEXT NOT NULL,
            blob TEXT NOT NULL,
            doubtful_blob TEXT NOT NULL,
            warning TEXT,
            released_at BIGINT NOT NULL,
            confirmed_at BIGINT NOT NULL,
            revision BIGINT NOT NULL,
            PRIMARY KEY (source, prompt_id, label)
        )""",
        "CREATE INDEX served_releases_by_revision ON served_releases (revision)",
        """CREATE TABLE served_answers (
            source TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            version BIGINT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            body TEXT NOT NULL,
            revision BIGINT NOT NULL,
            PRIMARY KEY (source, prompt_id, version, provider, model)
        )""",
        "CREATE INDEX served_answers_by_revision ON served_answers (revision)",
        """CREATE TABLE served_commits (
            mapping TEXT NOT NULL,
            commit_name TEXT NOT NULL,
            position BIGINT NOT NULL,
            revision BIGINT NOT NULL,
            PRIMARY KEY (mapping, commit_name)
        )""",
        "CREATE INDEX served_commits_by_revision ON served_commits (revision)",
    ),
    (
        """CREATE TABLE queued_logs (
            id TEXT PRIMARY KEY,
            position BIGINT NOT NULL,
            source TEXT NOT NULL,
            application TEXT NOT NULL,
            path TEXT NOT NULL,
            subject TEXT NOT NULL,
            body TEXT NOT NULL,
            size BIGINT NOT NULL,
            received_at BIGINT NOT NULL,
            state TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            not_before BIGINT NOT NULL,
            reason TEXT
        )""",
        "CREATE INDEX queued_logs_by_subject ON queued_logs (subject, position, state)",
        """CREATE INDEX queued_logs_by_state
            ON queued_logs (state, position, not_before, size, received_at)""",
        """CREATE TABLE logged_ids (
            id TEXT PRIMARY KEY,
            source TEXT NOT NULL,
            platform_id TEXT NOT NULL,
            delivered_at BIGINT NOT NULL
        )""",
        "CREATE INDEX logged_ids_by_age ON logged_ids (delivered_at)",
    ),
    (
        "ALTER TABLE standings ADD COLUMN workspace_id BIGINT",
        """CREATE TABLE target_differences (
            mapping TEXT NOT NULL,
            prompt_id BIGINT NOT NULL,
            label TEXT NOT NULL,
            compared_at BIGINT NOT NULL,
            difference TEXT NOT NULL,
            PRIMARY KEY (mapping, prompt_id, label)
        )""",
        """CREATE TABLE audit_entries (
            id TEXT PRIMARY KEY,
            at BIGINT NOT NULL,
            actor TEXT NOT NULL,
            channel TEXT NOT NULL,
            action TEXT NOT NULL,
            mapping TEXT NOT NULL,
            subject TEXT NOT NULL,
            link TEXT NOT NULL
        )""",
        "CREATE INDEX audit_entries_by_time ON audit_entries (at, id)",
    ),
    (
        """CREATE TABLE notifications (
            webhook TEXT NOT NULL,
            item TEXT NOT NULL,
            announced_at BIGINT NOT NULL,
            PRIMARY KEY (webhook, item)
        )""",
        """CREATE TABLE notify_webhooks (
            webhook TEXT PRIMARY KEY,
            attempts BIGINT NOT NULL,
            not_before BIGINT NOT NULL,
            problem TEXT
        )""",
    ),
    (
        """CREATE TABLE evaluation_requests (
            mapping TEXT NOT NULL,
            purpose TEXT NOT NULL,
            number BIGINT NOT NULL,
            commit_name TEXT NOT NULL,
            requested_at BIGINT NOT NULL,
            begun_at BIGINT,
            settled_at BIGINT,
            outcome TEXT,
            PRIMARY KEY (mapping, purpose, number, commit_name)
        )""",
        """CREATE INDEX evaluation_requests_open
            ON evaluation_requests (mapping, begun_at, settled_at) WHERE settled_at IS NULL""",
        """CREATE TABLE evaluation_runs (
            mapping TEXT NOT NULL,
            purpose TEXT NOT NULL,
            number BIGINT NOT NULL,
            commit_name TEXT NOT NULL,
            evaluation TEXT NOT NULL,
            evaluation_version BIGINT NOT NULL,
            prompt_id BIGINT NOT NULL,
            prompt_version BIGINT NOT NULL,
            label TEXT NOT NULL,
            name TEXT NOT NULL,
            base_version BIGINT,
            is_base BOOLEAN NOT NULL,
            content JSON,
            claimed_at BIGINT,
            execution_id BIGINT,
            finished_at BIGINT,
            problem TEXT,
            PRIMARY KEY (mapping, purpose, number, commit_name, evaluation, evaluation_version,
                prompt_id, prompt_version)
        )""",
        """CREATE INDEX evaluation_runs_open
            ON evaluation_runs (execution_id, finished_at) WHERE finished_at IS NULL""",
    ),
)
