"""Which evaluations and workflows the bridge has to start, which it started, and how they ended.

A run is stored before PromptLayer is asked to start it, and its execution's number right after the
answer. A run that is claimed and has no number was interrupted in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, select, update

from bridge.evals.eval_run import PromptReference
from bridge.prompts.prompt import JsonObject
from bridge.storage.database import Database
from bridge.storage.evaluation_tables import evaluation_requests_table, evaluation_runs_table
from bridge.storage.inbox import Clock

SUPERSEDED = "dropped: its commit is not the head of an open pull request any more"


class EvaluationPurpose(StrEnum):
    PROPOSAL = "proposal"  # a head of a pull request of the bridge
    PULL_REQUEST = "pull_request"  # a head of an engineer's pull request
    MERGE = "merge"  # the workflow that a merge starts


@dataclass(frozen=True, order=True)
class EvaluationRequest:
    """What is to be evaluated: one head of a pull request, or a merge (``commit`` is empty)."""

    mapping: str
    purpose: EvaluationPurpose
    number: int
    commit: str

    @property
    def job_argument(self) -> str:
        return f"{self.purpose} {self.number} {self.commit}".rstrip()


def parse_job_argument(mapping: str, argument: str) -> EvaluationRequest:
    """The request whose ``job_argument`` this is."""
    purpose, number, commit = f"{argument} ".split(" ")[:3]
    return EvaluationRequest(mapping, EvaluationPurpose(purpose), int(number), commit)


@dataclass(frozen=True)
class PlannedRun:
    """One execution that a request needs: an evaluation in one version of one prompt in one."""

    evaluation: str
    evaluation_version: int
    prompt_id: int
    prompt_version: int
    label: str = ""
    name: str = ""
    base_version: int | None = None
    is_base: bool = False
    content: JsonObject | None = None

    @property
    def prompt(self) -> PromptReference:
        return PromptReference(
            self.name or None, self.prompt_id, self.prompt_version or None, self.label or None
        )


@dataclass(frozen=True)
class StartedRun(PlannedRun):
    """A planned run, and how far it is."""

    claimed_at: datetime | None = None
    execution_id: int | None = None
    finished_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True)
class RequestProgress:
    """How far a request is."""

    requested_at: datetime
    begun_at: datetime | None
    settled_at: datetime | None
    outcome: str | None


class EvaluationStore:
    """The requests and runs of one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def request(self, request: EvaluationRequest) -> bool:
        """Note that a head is to be evaluated, or that a merge happened; whether that is new. The
        other heads of the same pull request are superseded. One that was superseded and is the
        head again goes on where it was."""
        now, requests = self._clock(), evaluation_requests_table
        insert = self._database.build_insert(requests).values(**_key(request), requested_at=now)
        was_superseded = (*_of(requests, request), requests.c.outcome == SUPERSEDED)
        reopen = update(requests).where(*was_superseded)
        reopen = reopen.values(requested_at=now, settled_at=None, outcome=None)
        others = (
            requests.c.mapping == request.mapping,
            requests.c.purpose == str(request.purpose),
            requests.c.number == request.number,
            requests.c.commit_name != request.commit,
            requests.c.settled_at.is_(None),
        )
        supersede = update(requests).where(*others).values(settled_at=now, outcome=SUPERSEDED)
        with self._database.open_transaction() as connection:
            is_new = bool(connection.execute(insert.on_conflict_do_nothing()).rowcount > 0)
            is_new = is_new or bool(connection.execute(reopen).rowcount > 0)
            if is_new:
                connection.execute(supersede)
        return is_new

    def request_again(self, request: EvaluationRequest) -> None:
        """Note that a person wants a head evaluated once more, whatever came of it before."""
        runs = evaluation_runs_table
        values = {"requested_at": self._clock(), "begun_at": None, "settled_at": None}
        with self._database.open_transaction() as connection:
            connection.execute(runs.delete().where(*_of(runs, request)))
            insert = self._database.build_insert(evaluation_requests_table)
            again = insert.values(**_key(request), **values).on_conflict_do_update(
                index_elements=["mapping", "purpose", "number", "commit_name"], set_=values
            )
            connection.execute(again)

    def find_progress(self, request: EvaluationRequest) -> RequestProgress | None:
        requests = evaluation_requests_table
        query = select(
            requests.c.requested_at,
            requests.c.begun_at,
            requests.c.settled_at,
            requests.c.outcome,
        ).where(*_of(requests, request))
        with self._database.open_read_transaction() as connection:
            row = connection.execute(query).first()
        return RequestProgress(*row) if row else None

    def find_unsettled(
        self, mapping: str | None = None, *, not_begun: bool = False
    ) -> dict[EvaluationRequest, datetime]:
        """The requests of a mapping, or of all, that are not settled, and when each was made;
        ``not_begun``: those only of which no run is stored yet."""
        requests = evaluation_requests_table
        wanted: list[ColumnElement[bool]] = [requests.c.settled_at.is_(None)]
        if mapping is not None:
            wanted.append(requests.c.mapping == mapping)
        if not_begun:
            wanted.append(requests.c.begun_at.is_(None))
        query = select(*requests.primary_key, requests.c.requested_at).where(*wanted)
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(query.order_by(*requests.primary_key)).all()
            return {_request(row): row.requested_at for row in rows}

    def add_runs(self, request: EvaluationRequest, runs: Sequence[PlannedRun]) -> None:
        """Store what a request needs, before any of it is started. What is stored already stays.
        A base version that the same evaluation has a result for is not evaluated again."""
        with self._database.open_transaction() as connection:
            for run in runs:
                row = {**_key(request), **vars(run)}
                if run.is_base and (
                    known := connection.execute(_find_known_base(request, run)).first()
                ):
                    row |= {"execution_id": known.execution_id, "claimed_at": known.claimed_at}
                insert = self._database.build_insert(evaluation_runs_table).values(row)
                connection.execute(insert.on_conflict_do_nothing())
            begun = update(evaluation_requests_table).where(
                *_of(evaluation_requests_table, request)
            )
            connection.execute(begun.values(begun_at=self._clock()))

    def find_runs(self, request: EvaluationRequest) -> list[StartedRun]:
        runs = evaluation_runs_table
        query = (
            select(*(runs.c[field.name] for field in fields(StartedRun)))
            .where(*_of(runs, request))
            .order_by(runs.c.is_base, runs.c.name, runs.c.prompt_id, runs.c.prompt_version)
        )
        with self._database.open_read_transaction() as connection:
            return [StartedRun(**row._mapping) for row in connection.execute(query)]

    def claim_run(self, request: EvaluationRequest, run: PlannedRun) -> None:
        """Note that the request to start a run is about to be sent."""
        self._update_run(request, run, claimed_at=self._clock())

    def record_execution(self, request: EvaluationRequest, run: PlannedRun, execution: int) -> None:
        """Note the number that PromptLayer gave a run."""
        self._update_run(request, run, execution_id=execution)

    def finish_run(
        self, request: EvaluationRequest, run: PlannedRun, problem: str | None = None
    ) -> None:
        """Note that a run is over: with a result at PromptLayer, or why there is none."""
        self._update_run(request, run, finished_at=self._clock(), problem=problem)

    def close_request(self, request: EvaluationRequest, outcome: str) -> None:
        """Note that nothing is left to do for a request."""
        settled = update(evaluation_requests_table).where(*_of(evaluation_requests_table, request))
        with self._database.open_transaction() as connection:
            connection.execute(settled.values(settled_at=self._clock(), outcome=outcome))

    def find_requests_of_executions(self, executions: Iterable[int]) -> list[EvaluationRequest]:
        """The requests that wait for one of these executions."""
        runs = evaluation_runs_table
        wanted = runs.c.execution_id.in_(list(executions)), runs.c.finished_at.is_(None)
        return self._find_requests(and_(*wanted))

    def find_requests_of_evaluation(self, evaluation: str) -> list[EvaluationRequest]:
        """The requests that wait for a run of this evaluation."""
        runs = evaluation_runs_table
        return self._find_requests(
            and_(runs.c.evaluation == evaluation, runs.c.finished_at.is_(None))
        )

    def prune(self, mappings: Iterable[str], before: datetime) -> int:
        """Delete what was settled before, and what is of other mappings; returns how many requests."""
        requests, runs = evaluation_requests_table, evaluation_runs_table
        is_old = func.coalesce(requests.c.settled_at, requests.c.requested_at) < before
        may_go = requests.c.settled_at.isnot(None) | requests.c.mapping.notin_(list(mappings))
        with self._database.open_transaction() as connection:
            gone = requests.delete().where(is_old, may_go).returning(*requests.primary_key)
            rows = connection.execute(gone).all()
            for row in rows:
                connection.execute(runs.delete().where(*_of(runs, _request(row))))
        return len(rows)

    def _find_requests(self, condition: ColumnElement[bool]) -> list[EvaluationRequest]:
        runs = evaluation_runs_table
        columns = runs.c.mapping, runs.c.purpose, runs.c.number, runs.c.commit_name
        query = select(*columns).where(condition).distinct().order_by(*columns)
        with self._database.open_read_transaction() as connection:
            return [_request(row) for row in connection.execute(query)]

    def _update_run(self, request: EvaluationRequest, run: PlannedRun, **values: object) -> None:
        runs = evaluation_runs_table
        which = (
            *_of(runs, request),
            runs.c.evaluation == run.evaluation,
            runs.c.evaluation_version == run.evaluation_version,
            runs.c.prompt_id == run.prompt_id,
            runs.c.prompt_version == run.prompt_version,
        )
        with self._database.open_transaction() as connection:
            connection.execute(update(runs).where(*which).values(**values))


def _key(request: EvaluationRequest) -> dict[str, object]:
    return {
        "mapping": request.mapping,
        "purpose": str(request.purpose),
        "number": request.number,
        "commit_name": request.commit,
    }


def _of(table: Table, request: EvaluationRequest) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in _key(request).items()]


def _request(row: Any) -> EvaluationRequest:
    return EvaluationRequest(
        row.mapping, EvaluationPurpose(row.purpose), row.number, row.commit_name
    )


def _find_known_base(request: EvaluationRequest, run: PlannedRun) -> Any:
    runs = evaluation_runs_table
    return (
        select(runs.c.execution_id, runs.c.claimed_at)
        .where(
            runs.c.mapping == request.mapping,
            runs.c.evaluation == run.evaluation,
            runs.c.evaluation_version == run.evaluation_version,
            runs.c.prompt_id == run.prompt_id,
            runs.c.prompt_version == run.prompt_version,
            runs.c.finished_at.isnot(None),
            runs.c.problem.is_(None),
        )
        .limit(1)
    )
