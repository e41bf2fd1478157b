"""``status``: show the state of prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.resources import connect_database
from bridge.cli.terminal_tables import create_table, create_table_console
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.errors import InvalidInputError
from bridge.prompts.planning.target_state import TargetState
from bridge.serve.release_store import ReleaseDoubt, ReleaseStatistics
from bridge.status.metrics_snapshot import SWEEPS_MISSED, find_stale
from bridge.status.problems import MappingProblem, ProblemKind
from bridge.status.status_reader import StatusReader
from bridge.status.target_queries import TargetFilter, TargetView, TimelineStep
from bridge.storage.log_queue import LogQueueStatus
from bridge.web.template_filters import format_age as when
from bridge.web.template_filters import format_duration
from bridge.wiring import get_current_time

_STEPS = 30


@dataclass(frozen=True)
class StatusQuery:
    """The prompts that the command line asks about."""

    text: str | None
    mapping: str | None
    state: TargetState | None
    limit: int

    @property
    def filter(self) -> TargetFilter:
        return TargetFilter(text=self.text, mapping=self.mapping, state=self.state)


@dataclass(frozen=True)
class _StatusReport:
    targets: tuple[TargetView, ...]
    more: bool
    counts: dict[TargetState, int]
    steps: tuple[TimelineStep, ...]  # of the one named prompt, the oldest first
    at: datetime
    problems: tuple[MappingProblem, ...]
    stale: Mapping[str, timedelta]  # mappings, with the age of their last resync
    not_followed: Mapping[str, tuple[int, int]]  # prompts and open pull requests, by mapping
    releases: ReleaseStatistics
    served: Mapping[str, int]  # prompts and labels that applications read, by mapping
    doubts: tuple[ReleaseDoubt, ...]
    log_queue: LogQueueStatus
    paused: tuple[str, ...]  # messages about mappings that their settings pause


def show_status(path: Path, wanted: StatusQuery, *, as_json: bool) -> None:
    config = load_config(path, defer_secrets=True)
    with connect_database(config) as database:
        answer = _answer(StatusReader(database, get_current_time), wanted, config)
    if wanted.mapping and not answer.targets:
        config.find_mapping(wanted.mapping)
    if wanted.text and not answer.targets:
        raise InvalidInputError(
            f"The bridge knows no prompt {wanted.text!r}. See: promptlayer-bridge status; and"
            " promptlayer-bridge plan, which asks PromptLayer."
        )
    if as_json:
        typer.echo(json.dumps(_document(answer), indent=2))
        return
    _show_problems(answer)
    if answer.targets:
        _show(answer, alone=wanted.text is not None)
    elif wanted.mapping or wanted.state:
        typer.echo("No prompt fits.")
    elif not answer.problems:
        typer.echo("Nothing is known yet. A first sync, or serve, fills the books.")


def _answer(reader: StatusReader, wanted: StatusQuery, config: BridgeConfig) -> _StatusReport:
    found = reader.list_targets(wanted.filter, limit=wanted.limit)
    meant = _meant(found.rows, wanted.text)
    steps = reader.list_timeline(*meant, limit=_STEPS).rows[::-1] if meant else ()
    counts = dict(reader.count_states(wanted.filter))
    names = [each.name for each in config.mappings if wanted.mapping in (None, each.name)]
    problems = [
        one
        for one in reader.list_problems()
        if wanted.mapping in (None, one.mapping) and one.kind is not ProblemKind.PAUSE
    ]
    longest = SWEEPS_MISSED * config.sweep
    resynced_at = {name: one.finished_at for name, one in reader.read_last_resyncs().items()}
    stale = find_stale(resynced_at, names, reader.get_current_time(), longest)
    more, every = found.next_cursor is not None, reader.count_unfollowed()
    kept = {name: counts for name, counts in every.items() if wanted.mapping in (None, name)}
    releases = reader.read_release_statistics()
    doubts = tuple(one for one in reader.list_release_doubts() if one.mapping in names)
    return _StatusReport(
        found.rows,
        more,
        counts,
        steps,
        reader.get_current_time(),
        tuple(problems),
        stale,
        kept,
        releases,
        {name: count for name, count in releases.served.items() if name in names},
        doubts,
        reader.read_log_queue_status(),
        tuple(
            each.explain_pause() for each in config.mappings if each.pause and each.name in names
        ),
    )


def _show_problems(answer: _StatusReport) -> None:
    """Print the problems of mappings to standard error, as the table on standard output may be
    piped."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in answer.paused:
        console.print(line, markup=False)
    for name, age in answer.stale.items():
        console.print(f"mapping {name} was not compared for {format_duration(age)}", markup=False)
    for name, (prompts, pulls) in answer.not_followed.items():
        console.print(
            f"mapping {name}: no longer followed: {prompts} prompts, {pulls} open pull requests;"
            f" kept as they are until `promptlayer-bridge prune {name}`",
            markup=False,
        )
    for doubt in answer.doubts:
        served = "the content merged before is served" if doubt.is_served else "nothing is served"
        console.print(
            f"mapping {doubt.mapping}: {doubt.name} at {doubt.label}: {served}: {doubt.reason}",
            markup=False,
        )
    for line in _describe_log_queue(answer.log_queue):
        console.print(line, markup=False)
    for one in answer.problems:
        about = f"{one.mapping}: " if one.mapping else ""
        subject = f"{one.subject}: "
        if one.message.startswith((one.subject, f"mapping {one.mapping} ")):
            subject = ""
            about = "" if one.message.startswith("mapping ") else about
        often = f" ({one.attempts} times in a row)" if one.attempts > 1 else ""
        console.print(f"{one.kind}: {about}{subject}{one.message}{often}", markup=False)


def _describe_log_queue(queue: LogQueueStatus) -> Iterator[str]:
    if queue.waiting:
        age = format_duration(timedelta(seconds=queue.oldest_seconds))
        size = f"{queue.waiting_bytes / 1024:.0f} KiB"
        yield f"logs of applications: {queue.waiting} wait for PromptLayer ({size}), the oldest for {age}"
    if queue.parked:
        yield f"logs of applications: {queue.parked} parked"
    for reason, count in queue.parked_reasons:
        yield f"  {count} times: {reason}"


def _meant(found: Sequence[TargetView], text: str | None) -> tuple[str, int] | None:
    """The mapping and id of the prompt that the text names, where it names exactly one."""
    if text is None:
        return None
    exactly = [one for one in found if text in (one.status.name, str(one.status.prompt_id))]
    prompts = {(one.status.mapping, one.status.prompt_id) for one in exactly or found}
    return prompts.pop() if len(prompts) == 1 else None


def _show(answer: _StatusReport, *, alone: bool) -> None:
    console = create_table_console()
    table = create_table("mapping", "prompt", "label", "state", "for", "reason", "pull request")
    for one in answer.targets:
        table.add_row(*map(Text, _cells(one, answer.at)))
    console.print(table)
    if answer.more:
        console.print("There are more: narrow it down, or give a higher --limit.")
    if answer.steps:
        console.print()
        console.print(_way(answer.steps))
    elif not alone:
        counts = (f"{count} {state}" for state, count in answer.counts.items() if count)
        console.print(", ".join(counts), markup=False)
        for name, count in answer.served.items():
            age = format_duration(answer.at - answer.releases.oldest_confirmed[name])
            console.print(
                f"mapping {name} serves {count} to applications, confirmed {age} ago or later",
                markup=False,
            )


def _cells(one: TargetView, at: datetime) -> tuple[str, ...]:
    status = one.status
    shown = status.pull_request if status.has_open_pull_request else ""
    name = status.name or f"id {status.prompt_id}"
    age = format_duration(one.compute_age(at))
    again = f" (tried again {when(one.retry_at, at)})" if one.retry_at else ""
    return (
        status.mapping,
        name,
        status.label,
        status.state,
        age,
        f"{status.reason}{again}",
        shown or "",
    )


def _way(steps: Sequence[TimelineStep]) -> Table:
    table = create_table("when", "after", "what", "label", "version", "who", "", "pull request")
    for step in steps:
        event = step.event
        cells = (
            f"{step.at:%Y-%m-%d %H:%M:%S}",
            format_duration(step.time_since_previous)
            if step.time_since_previous is not None
            else "",
            str(event.kind),
            event.label or "",
            str(event.version or ""),
            event.who or "",
            event.text,
            event.url or "",
        )
        table.add_row(*map(Text, cells))
    return table


def _document(answer: _StatusReport) -> dict[str, Any]:
    return {
        "states": {str(state): count for state, count in answer.counts.items()},
        "prompts": [_target(one, answer.at) for one in answer.targets],
        "more": answer.more,
        "way": [_step(step) for step in answer.steps],
        "problems": [_problem(one) for one in answer.problems],
        "not_followed": {
            name: {"prompts": prompts, "open_pull_requests": pulls}
            for name, (prompts, pulls) in answer.not_followed.items()
        },
        "served": {
            name: {
                "count": count,
                "confirmed_at": answer.releases.oldest_confirmed[name].isoformat(),
                "in_doubt": answer.releases.doubts.get(name, 0),
            }
            for name, count in answer.served.items()
        },
        "doubts": [asdict(doubt) for doubt in answer.doubts],
        "stale": {name: age.total_seconds() for name, age in answer.stale.items()},
        "logs": asdict(answer.log_queue),
        "paused": list(answer.paused),
    }


def _problem(one: MappingProblem) -> dict[str, Any]:
    return {
        "mapping": one.mapping,
        "kind": one.kind,
        "subject": one.subject,
        "message": one.message,
        "since": one.since.isoformat(),
        "attempts": one.attempts,
    }


def _target(one: TargetView, at: datetime) -> dict[str, Any]:
    status = one.status
    return {
        "mapping": status.mapping,
        "prompt": status.name,
        "prompt_id": status.prompt_id,
        "label": status.label,
        "path": status.path,
        "branch": status.branch,
        "version": status.version,
        "state": status.state,
        "reason": status.reason,
        "retry_at": one.retry_at.isoformat() if one.retry_at else None,
        "since": status.since.isoformat(),
        "seconds": one.compute_age(at).total_seconds(),
        "seen_at": one.observed_at.isoformat(),
        "pull_request": status.pull_request,
        "number": status.number,
        "pull_request_state": status.pull_request_state,
    }


def _step(step: TimelineStep) -> dict[str, Any]:
    event = step.event
    return {
        "at": step.at.isoformat(),
        "seconds_since_last": step.time_since_previous.total_seconds()
        if step.time_since_previous
        else None,
        "what": event.kind,
        "label": event.label,
        "version": event.version,
        "who": event.who,
        "text": event.text,
        "number": event.number,
        "pull_request": event.url,
        "delivery": event.delivery_id,
    }
