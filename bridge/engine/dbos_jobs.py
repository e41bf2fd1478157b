"""What the engine (DBOS) knows of its jobs: those in hand, those that wait, those that are over."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dbos import DBOS, WorkflowStatus

_FORGET_AT_ONCE = 200
_BETWEEN = 0.02  # seconds that everybody else has the database for
_P = ParamSpec("_P")
_R = TypeVar("_R")

_AHEAD = ["ENQUEUED", "PENDING", "DELAYED"]
_OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


def run_outside_jobs(ask: Callable[_P, _R]) -> Callable[_P, _R]:
    """``ask`` as if no job called it. What a job asks is remembered by its number, and answered
    from memory when the job runs again; but by then other proposals may be in need of a look."""

    @wraps(ask)
    def asked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return Context().run(ask, *args, **kwargs)

    return asked


def list_running_jobs(executor: str | None = None) -> list[WorkflowStatus]:
    """The jobs that some process, or this one, has in hand as far as the books know."""
    return DBOS.list_workflows(
        status="PENDING", executor_id=executor, load_input=False, load_output=False
    )


def list_pending_job_arguments() -> set[tuple[Any, ...]]:
    """The first two arguments of every job that is not over."""
    ahead = DBOS.list_workflows(status=_AHEAD, load_output=False)
    return {tuple(job.input["args"][:2]) for job in ahead if job.input}


def has_pending_jobs() -> bool:
    """Whether there is a job that is not over, in any queue, at any time."""
    ahead = DBOS.list_workflows(status=_AHEAD, limit=1, load_input=False, load_output=False)
    return bool(ahead)


def delete_finished_jobs(before: datetime, rest: Callable[[float], bool]) -> None:
    """Delete what was over before, a little at a time, and end early when ``rest``, which waits so
    many seconds, says so. To be called outside of jobs, which remember what they ask."""
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
