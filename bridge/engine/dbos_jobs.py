"""Query and delete DBOS' workflows: the running, the pending and the finished jobs
(https://docs.dbos.dev/python/reference/contexts#list_workflows)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dbos import DBOS, WorkflowStatus

_FORGET_AT_ONCE = 200
_BETWEEN = 0.02  # seconds between two deletions, in which others may write
_P = ParamSpec("_P")
_R = TypeVar("_R")

_AHEAD = ["ENQUEUED", "PENDING", "DELAYED"]
_OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


def run_outside_jobs(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate ``ask`` so that DBOS takes no calling job into account. DBOS records what a job calls
    and replays the record when the job runs again, and by then the answer may be another one."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return Context().run(function, *args, **kwargs)

    return call


def list_running_jobs(executor: str | None = None) -> list[WorkflowStatus]:
    """The jobs that DBOS records as running, of one process or of all."""
    return DBOS.list_workflows(
        status="PENDING", executor_id=executor, load_input=False, load_output=False
    )


def list_pending_job_arguments() -> set[tuple[Any, ...]]:
    """The first two arguments of every unfinished job."""
    ahead = DBOS.list_workflows(status=_AHEAD, load_output=False)
    return {tuple(job.input["args"][:2]) for job in ahead if job.input}


def has_pending_jobs() -> bool:
    """Whether any queue has an unfinished job, delayed ones included."""
    ahead = DBOS.list_workflows(status=_AHEAD, limit=1, load_input=False, load_output=False)
    return bool(ahead)


def delete_finished_jobs(before: datetime, rest: Callable[[float], bool]) -> None:
    """Delete the jobs that were finished before, 200 at a time. ``rest`` waits these seconds and
    returns True to end early. Call it outside of jobs, as DBOS records what a job calls."""
    while jobs := _over(before):
        DBOS.delete_workflows([job.workflow_id for job in jobs])
        if rest(_BETWEEN):
            return


def _over(before: datetime) -> list[WorkflowStatus]:
    return DBOS.list_workflows(
        status=_OVER,
        completed_before=before.isoformat(),
        limit=_FORGET_AT_ONCE,
        load_input=False,
        load_output=False,
    )
