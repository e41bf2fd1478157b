"""``publish``: from the base branch to PromptLayer, with no server at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.opening import opened_worker
from bridge.cli.progress import progress_bar
from bridge.config.whole import load
from bridge.engine.ledger import Ask
from bridge.engine.reconciler import Reconciler
from bridge.engine.worker import Worker
from bridge.errors import Rejected
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.publication import NewPrompt, Publication
from bridge.prompts.target import Target
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.publish import Result, agreements_of, publish_all, told
from bridge.steps.site import Site
from bridge.steps.survey import Survey, survey

SOMETHING, CONFLICT, FAILED = 2, 3, 1  # exit codes

_NOT_IN_STEP = {"failed", "mistake", "skip", "orphan", "gone"}  # a person has to do something
_PULL_REQUEST_EVENTS = ("pull_request", "pull_request_target", "merge_request_event")


@dataclass(frozen=True)
class Line:
    """One file, and what happens to it.

    ``action``: *publish* and *create* on a dry run, then *published*, *created* or *failed*; *id*:
    its prompt's id is proposed for it; *behind*: PromptLayer has something newer, which is proposed;
    *merge* and *conflict*: edited on both sides; *mistake*: the file is wrong; *skip*: left out;
    *orphan*: the mapping does not follow it; *gone*: PromptLayer has the prompt no longer.
    """

    mapping: str
    path: str
    prompt: str
    action: str
    reason: str


def publish(
    path: Path, mappings: Sequence[str], *, dry_run: bool, as_json: bool, at: str | None
) -> None:
    if at is not None and not dry_run:
        raise Rejected("--at goes with --dry-run: only the base branch is ever published.")
    if not dry_run:
        require_trusted(os.environ)
    config = load(path)
    with opened_worker(config) as worker:
        names = [config.mapping(name).name for name in mappings] or list(worker.sites)
        sites = [worker.sites[name] for name in names if worker.sites[name].mapping.publish]
        if not sites:
            raise Rejected(f"No mapping of {path} has `publish: true`.")
        surveys = [survey(site, worker.index, worker.clock(), at) for site in sites]
        lines = [line for one in surveys for line in _planned(one)]
        if not dry_run:
            lines = [line for one in surveys for line in _carried_out(worker, one)]
    _show(lines, as_json=as_json)
    _leave(lines, surveys, dry_run=dry_run)


def require_trusted(environment: Mapping[str, str]) -> None:
    """Raise Rejected where CI runs for a pull request: its author may be a stranger."""
    event = environment.get("GITHUB_EVENT_NAME") or environment.get("CI_PIPELINE_SOURCE") or ""
    if event in _PULL_REQUEST_EVENTS:
        raise Rejected(
            f"publish does not run on the event {event}: only what is merged is published. Run it"
            " on pushes to the base branch, and `publish --dry-run` on pull requests."
        )


def _planned(found: Survey) -> Iterator[Line]:
    name = found.site.mapping.name
    for one in found.publications:
        yield Line(name, one.path, one.prompt.name, "publish", one.words)
    for new in found.new:
        yield Line(name, new.path, new.prompt.name, "create", "a new prompt")
    yield from _rest(found)


def _rest(found: Survey) -> Iterator[Line]:
    """What is told, and not published as it is."""
    yield from _met(found)
    for seen in found.unnamed:
        if seen.edit is not None:
            change = seen.edit.change
            name = found.site.mapping.name
            yield Line(name, change.path, change.prompt.name, "id", seen.comparison.reason)
    for seen in found.behind:
        if seen.edit is not None:
            change = seen.edit.change
            name = found.site.mapping.name
            yield Line(name, change.path, change.prompt.name, "behind", seen.comparison.reason)
    yield from _told(found)


def _met(found: Survey) -> Iterator[Line]:
    for seen in found.met:
        if seen.edit is None:
            continue
        change = seen.edit.change
        action = "conflict" if seen in found.conflicts else "merge"
        places = ", ".join(conflict.place for conflict in change.conflicts)
        reason = f"{seen.comparison.reason}{f': {places}' if places else ''}"
        yield Line(found.site.mapping.name, change.path, change.prompt.name, action, reason)


def _told(found: Survey) -> Iterator[Line]:
    name = found.site.mapping.name
    for seen in found.gone:
        if seen.edit is not None:
            change = seen.edit.change
            reason = f"{change.reason or seen.comparison.reason}; sync proposes to remove the file"
            yield Line(name, change.path, change.prompt.name, "gone", reason)
    for orphan in found.orphans:
        yield Line(name, orphan.path, "", "orphan", orphan.reason)
    for target, reason in found.refusals:
        yield Line(name, "", f"prompt {target.prompt_id}", "skip", reason)
    for mistake in found.mistakes:
        yield Line(name, mistake.partition(":")[0], "", "mistake", mistake)


def _carried_out(worker: Worker, found: Survey) -> Iterator[Line]:
    """Publish, and propose what cannot be published as it is."""
    results = _published(found)
    made = agreements_of(found.site, found.snapshot, results)
    record = AgreementRecord(found.site, found.snapshot)
    record.write({**found.agreements, **made}, worker.clock())
    yield from (_line(found.site, result) for result in results)
    yield from _rest(found)
    created = (_made(found.site, result) for result in results)
    proposed = (
        (seen.edit.change.prompt.name, seen.target)
        for seen in (*found.met, *found.unnamed)
        if seen.edit is not None
    )
    for name, target in (*filter(None, created), *proposed):
        proposal = found.site.proposal(name, target)
        worker.ledger.ask([Ask(proposal, target)])
        Reconciler(worker).reconcile(proposal)
        standing = worker.ledger.standing(proposal)
        if standing is not None and standing.kind is OutcomeKind.PARKED:
            yield Line(found.site.mapping.name, "", name, "failed", standing.reason)


def _made(site: Site, result: Result) -> tuple[str, Target] | None:
    """The prompt that was made of a file, so that its id is proposed for the file."""
    if result.published is None or not isinstance(result.work, NewPrompt):
        return None
    target = Target(site.mapping.name, result.published.prompt_id, result.work.label)
    return result.work.prompt.name, target


def _published(found: Survey) -> list[Result]:
    work: list[Publication | NewPrompt] = [*found.new, *found.publications]
    with progress_bar("publishing", len(work)) as tell:
        return publish_all(
            found.site,
            found.snapshot,
            work,
            lambda done, total: tell("publishing", done, total),
        )


def _line(site: Site, result: Result) -> Line:
    action = "failed" if result.problem else "published"
    if isinstance(result.work, NewPrompt) and result.problem is None:
        action = "created"
    return Line(site.mapping.name, result.work.path, result.work.prompt.name, action, told(result))


def _show(lines: Sequence[Line], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"files": [asdict(line) for line in lines]}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    if not lines:
        console.print("PromptLayer has everything that is merged.")
    for line in lines:
        console.print(f"{line.action:9}  {_words(line)}", markup=False)


def _words(line: Line) -> str:
    subject = line.path or line.prompt
    return line.reason if line.reason.startswith(subject) else f"{subject}: {line.reason}"


def _leave(lines: Sequence[Line], surveys: Sequence[Survey], *, dry_run: bool) -> None:
    actions = {line.action for line in lines}
    if any(one.conflicts for one in surveys):
        raise typer.Exit(CONFLICT)
    if actions & _NOT_IN_STEP:
        raise typer.Exit(FAILED)
    if dry_run and actions & {"publish", "create", "merge"}:
        raise typer.Exit(SOMETHING)
