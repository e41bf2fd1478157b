"""``publish``: publish from the base branch to PromptLayer, without a server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.progress_bar import show_progress_bar
from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.controller import BridgeController
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.reconciler import Reconciler
from bridge.errors import InvalidInputError, TransientError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.publication import NewPromptFile, PromptPublication
from bridge.prompts.target import Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.delete_prompts import MissedDeletions
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.publish_files import (
    PublishResult,
    build_published_agreements,
    describe_publish_result,
    publish_files,
)
from bridge.reconcile.publish_plan import PublishPlan, plan_publish

EXIT_CHANGES, EXIT_CONFLICT, EXIT_FAILED = 2, 3, 1  # exit codes

_NOT_IN_STEP = {"failed", "mistake", "skip", "orphan", "gone"}  # a person has to do something
_PULL_REQUEST_EVENTS = ("pull_request", "pull_request_target", "merge_request_event")


@dataclass(frozen=True)
class PublishFileReport:
    """One file, and the action for it.

    ``action``: *publish*, *create* and *delete* on a dry run, then *published*, *created*,
    *deleted* or *failed*; *id*: its prompt's id is proposed for it; *behind*: PromptLayer has
    something newer, which is proposed or was declined; *merge* and *conflict*: edited on both
    sides; *mistake*: the file is wrong; *skip*: left out; *orphan*: the mapping does not follow it;
    *gone*: PromptLayer has the prompt no longer.
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
        raise InvalidInputError("--at goes with --dry-run: only the base branch is ever published.")
    if not dry_run:
        reject_pull_request_event(os.environ)
    config = load_config(path, defer_secrets=True)
    with open_controller(config) as controller:
        names = [config.find_mapping(name).name for name in mappings] or list(controller.contexts)
        contexts = [
            controller.contexts[name] for name in names if controller.contexts[name].mapping.publish
        ]
        if not contexts:
            raise InvalidInputError(f"No mapping of {path} has `publish: true`.")
        paused = [each.mapping.explain_pause() for each in contexts if each.mapping.pause]
        contexts = [each for each in contexts if not each.mapping.pause]
        surveys = [
            plan_publish(context, controller.file_index, controller.clock(), at)
            for context in contexts
        ]
        lines = [line for one in surveys for line in _planned(one)]
        if at is None:
            lines += [line for one in surveys for line in _plan_deletions(controller, one)]
        if not dry_run:
            lines = [line for one in surveys for line in _carried_out(controller, one)]
            lines += [line for one in surveys for line in _delete(controller, one)]
    for warning in dict.fromkeys([*paused, *(words for one in surveys for words in one.warnings)]):
        typer.echo(f"warning: {warning}", err=True)
    if contexts or as_json:
        _show(lines, as_json=as_json)
    _leave(lines, surveys, dry_run=dry_run)


def reject_pull_request_event(environment: Mapping[str, str]) -> None:
    """Raise InvalidInputError where CI runs for a pull request, whose author may be a stranger."""
    event = environment.get("GITHUB_EVENT_NAME") or environment.get("CI_PIPELINE_SOURCE") or ""
    if event in _PULL_REQUEST_EVENTS:
        raise InvalidInputError(
            f"publish does not run on the event {event}: only what is merged is published. Run it"
            " on pushes to the base branch, and `publish --dry-run` on pull requests."
        )


def _planned(publish_plan: PublishPlan) -> Iterator[PublishFileReport]:
    name = publish_plan.context.mapping.name
    for one in publish_plan.publications:
        yield PublishFileReport(name, one.path, one.prompt.name, "publish", one.words)
    for new in publish_plan.new_prompts:
        yield PublishFileReport(name, new.path, new.prompt.name, "create", "a new prompt")
    yield from _rest(publish_plan)


def _find_missed_deletions(
    controller: BridgeController, publish_plan: PublishPlan
) -> MissedDeletions | None:
    """None where the mapping deletes nothing."""
    context = publish_plan.context
    if context.mapping.on_delete != "delete":
        return None
    return MissedDeletions(context, publish_plan.snapshot, controller.file_index)


def _plan_deletions(
    controller: BridgeController, publish_plan: PublishPlan
) -> Iterator[PublishFileReport]:
    missed = _find_missed_deletions(controller, publish_plan)
    for one in missed.find() if missed else ():
        name = publish_plan.context.mapping.name
        yield PublishFileReport(name, "", one.prompt.name, "delete", "its file was deleted")


def _delete(controller: BridgeController, publish_plan: PublishPlan) -> Iterator[PublishFileReport]:
    missed = _find_missed_deletions(controller, publish_plan)
    for one in missed.process(controller.clock()) if missed else ():
        action = "failed" if one.problem else "deleted"
        name = publish_plan.context.mapping.name
        yield PublishFileReport(name, "", one.prompt.name, action, one.text)


def _rest(publish_plan: PublishPlan) -> Iterator[PublishFileReport]:
    """The reports of files that are not published."""
    yield from _met(publish_plan)
    for target_diff in publish_plan.targets_without_id_in_file:
        if target_diff.edit is not None:
            change = target_diff.edit.change
            name = publish_plan.context.mapping.name
            yield PublishFileReport(
                name, change.path, change.prompt.name, "id", target_diff.comparison.reason
            )
    for target_diff in publish_plan.behind:
        if target_diff.edit is not None:
            change = target_diff.edit.change
            name = publish_plan.context.mapping.name
            reason = target_diff.comparison.reason
            if target_diff.declined is not None:
                reason = f"{reason}; {target_diff.declined.reason}"
            yield PublishFileReport(name, change.path, change.prompt.name, "behind", reason)
    yield from _told(publish_plan)


def _met(publish_plan: PublishPlan) -> Iterator[PublishFileReport]:
    for target_diff in publish_plan.diverged_targets:
        if target_diff.edit is None:
            continue
        change = target_diff.edit.change
        action = "conflict" if target_diff in publish_plan.conflicting_targets else "merge"
        places = ", ".join(conflict.place for conflict in change.conflicts)
        reason = f"{target_diff.comparison.reason}{f': {places}' if places else ''}"
        yield PublishFileReport(
            publish_plan.context.mapping.name, change.path, change.prompt.name, action, reason
        )


def _told(publish_plan: PublishPlan) -> Iterator[PublishFileReport]:
    name = publish_plan.context.mapping.name
    for target_diff in publish_plan.gone:
        if target_diff.edit is not None and target_diff not in publish_plan.diverged_targets:
            change = target_diff.edit.change
            reason = f"{change.reason or target_diff.comparison.reason}; sync proposes to remove the file"
            yield PublishFileReport(name, change.path, change.prompt.name, "gone", reason)
    for orphan in publish_plan.orphans:
        yield PublishFileReport(name, orphan.path, "", "orphan", orphan.reason)
    for target, reason in publish_plan.refusals:
        yield PublishFileReport(name, "", f"prompt {target.prompt_id}", "skip", reason)
    for mistake in publish_plan.mistakes:
        yield PublishFileReport(name, mistake.partition(":")[0], "", "mistake", mistake)


def _carried_out(
    controller: BridgeController, publish_plan: PublishPlan
) -> Iterator[PublishFileReport]:
    """Publish, and propose the files that cannot be published as they are."""
    results = _published(publish_plan)
    made = build_published_agreements(publish_plan.context, publish_plan.snapshot, results)
    record = AgreementRecord(publish_plan.context, publish_plan.snapshot)
    record.write({**publish_plan.agreements, **made}, controller.clock(), made)
    yield from (_line(publish_plan.context, result) for result in results)
    yield from _rest(publish_plan)
    created = (_made(publish_plan.context, result) for result in results)
    proposed = (
        (target_diff.edit.change.prompt.name, target_diff.target)
        for target_diff in (
            *publish_plan.diverged_targets,
            *publish_plan.targets_without_id_in_file,
        )
        if target_diff.edit is not None
    )
    for name, target in (*filter(None, created), *proposed):
        proposal = publish_plan.context.build_proposal(name, target)
        controller.store.request([ReconcileRequest(proposal, target)])
        Reconciler(controller).reconcile(proposal)
        standing = controller.store.find_latest_outcome(proposal)
        if standing is not None and standing.kind is ReconcileOutcomeKind.PARKED:
            yield PublishFileReport(
                publish_plan.context.mapping.name, "", name, "failed", standing.reason
            )


def _made(context: MappingContext, result: PublishResult) -> tuple[str, Target] | None:
    """Propose the id of a created prompt for its file."""
    if result.published_version is None or not isinstance(result.file, NewPromptFile):
        return None
    target = Target(context.mapping.name, result.published_version.prompt_id, result.file.label)
    return result.file.prompt.name, target


def _published(publish_plan: PublishPlan) -> list[PublishResult]:
    work: list[PromptPublication | NewPromptFile] = [
        *publish_plan.new_prompts,
        *publish_plan.publications,
    ]
    with show_progress_bar("publishing", len(work)) as tell:
        return publish_files(
            publish_plan.context,
            publish_plan.snapshot,
            work,
            lambda done, total: tell("publishing", done, total),
        )


def _line(context: MappingContext, result: PublishResult) -> PublishFileReport:
    action = "failed" if result.problem else "published"
    again = " Run publish again." if isinstance(result.problem, TransientError) else ""
    if isinstance(result.file, NewPromptFile) and result.problem is None:
        action = "created"
    return PublishFileReport(
        context.mapping.name,
        result.file.path,
        result.file.prompt.name,
        action,
        f"{describe_publish_result(result)}{again}",
    )


def _show(lines: Sequence[PublishFileReport], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"files": [asdict(line) for line in lines]}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    if not lines:
        console.print("PromptLayer has everything that is merged.")
    for line in lines:
        console.print(f"{line.action:9}  {_words(line)}", markup=False)


def _words(line: PublishFileReport) -> str:
    subject = line.path or line.prompt
    return line.reason if line.reason.startswith(subject) else f"{subject}: {line.reason}"


def _leave(
    lines: Sequence[PublishFileReport], surveys: Sequence[PublishPlan], *, dry_run: bool
) -> None:
    actions = {line.action for line in lines}
    if any(one.conflicting_targets for one in surveys):
        raise typer.Exit(EXIT_CONFLICT)
    if actions & _NOT_IN_STEP:
        raise typer.Exit(EXIT_FAILED)
    if dry_run and actions & {"publish", "create", "merge", "delete"}:
        raise typer.Exit(EXIT_CHANGES)
