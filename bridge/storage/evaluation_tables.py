"""The tables of evaluations and workflows that the bridge starts: what was requested, what was started."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, String, Table

from bridge.storage.database import InstantColumn, TextColumn, metadata

evaluation_requests_table = Table(
    "evaluation_requests",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("purpose", String, primary_key=True),
    Column("number", BigInteger, primary_key=True),  # of the pull request
    Column("commit_name", String, primary_key=True),  # of its head; "" for a merge
    Column("requested_at", InstantColumn, nullable=False),
    Column("begun_at", InstantColumn),  # when its runs were stored
    Column("settled_at", InstantColumn),
    Column("outcome", TextColumn),
)

evaluation_runs_table = Table(
    "evaluation_runs",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("purpose", String, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("commit_name", String, primary_key=True),
    Column("evaluation", String, primary_key=True),  # its kind and its name: "workflow quality"
    Column("evaluation_version", BigInteger, primary_key=True),  # 0: it has none
    Column("prompt_id", BigInteger, primary_key=True),  # 0: it is about no prompt
    Column("prompt_version", BigInteger, primary_key=True),  # 0: the content is no version
    Column("label", TextColumn, nullable=False),
    Column("name", TextColumn, nullable=False),  # of the prompt
    Column("base_version", BigInteger),  # the version on the base branch to compare with
    Column("is_base", Boolean, nullable=False),  # whether it is the version to compare with
    Column("content", JSON),  # the prompt itself, where it is no version
    Column("claimed_at", InstantColumn),  # when the request to start it was about to be sent
    Column("execution_id", BigInteger),  # as PromptLayer answered that request
    Column("finished_at", InstantColumn),
    Column("problem", TextColumn),  # why there is no result
)
