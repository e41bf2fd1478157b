"""``status``: where is my prompt?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from bridge.books.overview import Overview
from bridge.books.targets import Filter, Step, TargetState
from bridge.cli.opening import opened_database
from bridge.cli.tables import table_console, table_of
from bridge.config.whole import load
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


def status(path: Path, wanted: Wanted, *, as_json: bool) -> None:
    with opened_database(load(path)) as database:
        answer = _answer(Overview(database, now), wanted)
    if wanted.text and not answer.targets:
        raise Rejected(
            f"The bridge knows no prompt {wanted.text!r}. See: promptlayer-bridge status; and"
            " promptlayer-bridge plan, which asks PromptLayer."
        )
    if as_json:
        typer.echo(json.dumps(_document(answer), indent=2))
        return
    if answer.targets:
        _show(answer, alone=wanted.text is not None)
    elif wanted.mapping or wanted.state:
        typer.echo("No prompt fits.")
    else:
        typer.echo("Nothing is known yet. A first sync, or serve, fills the books.")


def _answer(overview: Overview, wanted: Wanted) -> _Answer:
    found = overview.standings(wanted.filter, limit=wanted.limit)
    meant = _meant(found.rows, wanted.text)
    steps = overview.timeline(*meant, limit=_STEPS).rows[::-1] if meant else ()
    counts = dict(overview.states(wanted.filter))
    return _Answer(found.rows, found.next is not None, counts, steps, overview.now())


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
