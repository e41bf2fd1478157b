"""``status``: where is my prompt?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.books.measures import SWEEPS_MISSED, find_stale
from bridge.books.overview import Overview
from bridge.books.problems import MappingProblem
from bridge.books.targets import Filter, Step, TargetState
from bridge.cli.opening import opened_database
from bridge.cli.tables import table_console, table_of
from bridge.config.whole import Config, load
from bridge.errors import Rejected
from bridge.prompts.state import State
from bridge.web.wording import age as when
from bridge.web.wording import span
from bridge.wiring import now

_STEPS = 30


@dataclass(frozen=True)
class Wanted:
    """Which prompts somebody asks about."""

    text: str | None
    mapping: str | None
    state: State | None
    limit: int

    @property
    def filter(self) -> Filter:
        return Filter(text=self.text, mapping=self.mapping, state=self.state)


@dataclass(frozen=True)
class _Answer:
    targets: tuple[TargetState, ...]
    more: bool
    counts: dict[State, int]
    steps: tuple[Step, ...]  # of the one prompt that is meant, the first step first
    at: datetime
    problems: tuple[MappingProblem, ...]
    stale: Mapping[str, timedelta]  # mappings that were not compared for so long
    not_followed: Mapping[str, tuple[int, int]]  # prompts and open pull requests, by mapping


def status(path: Path, wanted: Wanted, *, as_json: bool) -> None:
    config = load(path)
    with opened_database(config) as database:
        answer = _answer(Overview(database, now), wanted, config)
    if wanted.text and not answer.targets:
        raise Rejected(
            f"The bridge knows no prompt {wanted.text!r}. See: promptlayer-bridge status; and"
            " promptlayer-bridge plan, which asks PromptLayer."
        )
    if as_json:
        typer.echo(json.dumps(_document(answer), indent=2))
        return
    _show_problems(answer)
    if answer.targets:
        _show(answer, alone=wanted.text is not None)
    elif wanted.mapping or wanted.state or answer.problems:
        typer.echo("No prompt fits.")
    else:
        typer.echo("Nothing is known yet. A first sync, or serve, fills the books.")


def _answer(overview: Overview, wanted: Wanted, config: Config) -> _Answer:
    found = overview.standings(wanted.filter, limit=wanted.limit)
    meant = _meant(found.rows, wanted.text)
    steps = overview.timeline(*meant, limit=_STEPS).rows[::-1] if meant else ()
    counts = dict(overview.states(wanted.filter))
    names = [each.name for each in config.mappings if wanted.mapping in (None, each.name)]
    problems = [one for one in overview.problems() if wanted.mapping in (None, one.mapping)]
    longest = SWEEPS_MISSED * config.sweep
    stale = find_stale(overview.swept(), names, overview.now(), longest)
    more, every = found.next is not None, overview.not_followed()
    kept = {name: counts for name, counts in every.items() if wanted.mapping in (None, name)}
    return _Answer(found.rows, more, counts, steps, overview.now(), tuple(problems), stale, kept)


def _show_problems(answer: _Answer) -> None:
    """What is wrong with mappings as a whole, on standard error: the table is for pipes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for name, age in answer.stale.items():
        console.print(f"mapping {name} was not compared for {span(age)}", markup=False)
    for name, (prompts, pulls) in answer.not_followed.items():
        console.print(
            f"mapping {name}: no longer followed: {prompts} prompts, {pulls} open pull requests;"
            f" kept as they are until `promptlayer-bridge prune {name}`",
            markup=False,
        )
    for one in answer.problems:
        about = f"{one.mapping}: " if one.mapping else ""
        often = f" ({one.attempts} times in a row)" if one.attempts > 1 else ""
        console.print(f"{one.kind}: {about}{one.subject}: {one.message}{often}", markup=False)


def _meant(found: Sequence[TargetState], text: str | None) -> tuple[str, int] | None:
    """The mapping and the id of the one prompt that is asked about, if it is one."""
    if text is None:
        return None
    exactly = [one for one in found if text in (one.entry.name, str(one.entry.prompt_id))]
    prompts = {(one.entry.mapping, one.entry.prompt_id) for one in exactly or found}
    return prompts.pop() if len(prompts) == 1 else None


def _show(answer: _Answer, *, alone: bool) -> None:
    console = table_console()
    table = table_of("mapping", "prompt", "label", "state", "for", "reason", "pull request")
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


def _cells(one: TargetState, at: datetime) -> tuple[str, ...]:
    entry = one.entry
    shown = entry.pull_request if entry.has_open_pull_request else ""
    name = entry.name or f"id {entry.prompt_id}"
    age = span(one.age(at))
    again = f" (tried again {when(one.retry_at, at)})" if one.retry_at else ""
    return entry.mapping, name, entry.label, entry.state, age, f"{entry.reason}{again}", shown or ""


def _way(steps: Sequence[Step]) -> Table:
    table = table_of("when", "after", "what", "label", "version", "who", "", "pull request")
    for step in steps:
        moment = step.moment
        cells = (
            f"{step.at:%Y-%m-%d %H:%M:%S}",
            span(step.since_last) if step.since_last is not None else "",
            str(moment.kind),
            moment.label or "",
            str(moment.version or ""),
            moment.who or "",
            moment.text,
            moment.url or "",
        )
        table.add_row(*map(Text, cells))
    return table


def _document(answer: _Answer) -> dict[str, Any]:
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
        "stale": {name: age.total_seconds() for name, age in answer.stale.items()},
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


def _target(one: TargetState, at: datetime) -> dict[str, Any]:
    entry = one.entry
    return {
        "mapping": entry.mapping,
        "prompt": entry.name,
        "prompt_id": entry.prompt_id,
        "label": entry.label,
        "path": entry.path,
        "branch": entry.branch,
        "version": entry.version,
        "state": entry.state,
        "reason": entry.reason,
        "retry_at": one.retry_at.isoformat() if one.retry_at else None,
        "since": entry.since.isoformat(),
        "seconds": one.age(at).total_seconds(),
        "seen_at": one.seen_at.isoformat(),
        "pull_request": entry.pull_request,
        "number": entry.number,
        "pull_request_state": entry.pull_request_state,
    }


def _step(step: Step) -> dict[str, Any]:
    moment = step.moment
    return {
        "at": step.at.isoformat(),
        "seconds_since_last": step.since_last.total_seconds() if step.since_last else None,
        "what": moment.kind,
        "label": moment.label,
        "version": moment.version,
        "who": moment.who,
        "text": moment.text,
        "number": moment.number,
        "pull_request": moment.url,
        "delivery": moment.delivery_id,
    }
