"""``plan`` and ``sync``: show or apply the actions for all mappings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from bridge.cli.audit_command import find_terminal_user
from bridge.cli.drift_rows import (
    DriftRow,
    build_proposal_rows,
    build_unproposed_rows,
    merge_rows,
)
from bridge.cli.drift_summary import sort_naturally, summarise_drift
from bridge.cli.progress_bar import show_progress_bar
from bridge.cli.publish_command import EXIT_CONFLICT, reject_pull_request_event
from bridge.cli.resources import open_controller
from bridge.cli.terminal_tables import create_table, create_table_console
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.engine.controller import BridgeController
from bridge.engine.sync_mappings import SyncResult, sync_mappings
from bridge.engine.unfollowed_targets import (
    ReconcileOptions,
    UnfollowedTargets,
    count_open_pull_requests,
    describe_unfollowed,
    extend_context,
    find_unfollowed,
)
from bridge.errors import InvalidInputError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.plan import ProposalPlan
from bridge.prompts.planning.publication import AdoptedSide, AdoptRequest
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.reconcile_proposal import plan_proposal
from bridge.reconcile.scan_mapping import MappingScan, scan_mapping
from bridge.status.audit_log import AuditAction

EXIT_OUT_OF_STEP = 2
_AT_ONCE = 8


@dataclass(frozen=True)
class MappingPlan:
    """The actions of ``sync`` for one mapping, and the messages about it."""

    rows: tuple[DriftRow, ...]
    warnings: tuple[str, ...] = ()  # about settings that match no prompt
    not_followed: str | None = None  # a message about unfollowed targets


def plan(path: Path, mappings: Sequence[str], *, as_json: bool, diff: bool) -> None:
    config = load_config(path, defer_secrets=True)
    with open_controller(config) as controller:
        plans = [
            _plan_of(controller, context, diff=diff)
            for context in _chosen(config, controller, mappings)
        ]
    rows = sort_naturally(row for each in plans for row in each.rows)
    warnings = [message for each in plans for message in each.warnings]
    kept = [each.not_followed for each in plans if each.not_followed is not None]
    if as_json:
        out_of_step = [asdict(row) for row in rows]
        document = {"out_of_step": out_of_step, "warnings": warnings, "not_followed": kept}
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(rows, [*kept, *(f"warning: {message}" for message in warnings)], diff=diff)
    if rows:
        raise typer.Exit(EXIT_OUT_OF_STEP)


def _chosen(
    config: BridgeConfig, controller: BridgeController, mappings: Sequence[str]
) -> list[MappingContext]:
    names = [config.find_mapping(name).name for name in mappings]
    return [controller.contexts[name] for name in names or controller.contexts]


def _plan_of(controller: BridgeController, context: MappingContext, *, diff: bool) -> MappingPlan:
    found = scan_mapping(context, controller.file_index)
    name, statuses = context.mapping.name, controller.store.target_statuses
    unfollowed = find_unfollowed(context.mapping, found, statuses.find_by_mapping(name))
    rows = merge_rows(
        (
            *build_unproposed_rows(context, found),
            *_plan_candidates(controller, context, found, unfollowed, diff=diff),
        )
    )
    gaps = tuple(gap.message for gap in found.gaps)
    if context.mapping.pause:
        rows = tuple(replace(row, action="nothing (the mapping is paused)") for row in rows)
        gaps = (context.mapping.explain_pause(), *gaps)
    if not unfollowed.reasons:
        return MappingPlan(rows, gaps)
    count = count_open_pull_requests(context, found, unfollowed)
    return MappingPlan(rows, gaps, describe_unfollowed(name, unfollowed, count))


def _plan_candidates(
    controller: BridgeController,
    context: MappingContext,
    scan: MappingScan,
    unfollowed: UnfollowedTargets,
    *,
    diff: bool,
) -> Iterator[DriftRow]:
    asked = (each for each in scan.candidates if each.target not in unfollowed)
    grouped = [
        (proposal, tuple(each.target for each in some))
        for proposal, some in groupby(asked, lambda each: each.proposal)
    ]
    statuses = controller.store.target_statuses

    def plan_one(
        proposal: Proposal, targets: tuple[Target, ...]
    ) -> tuple[ProposalObservation, ProposalPlan]:
        reconcile_context = ReconcileContext(targets, listed_prompts=scan.listed_prompts)
        known = extend_context(reconcile_context, context.mapping, statuses, ReconcileOptions())
        return plan_proposal(context, controller.file_index, proposal, known, controller.clock())

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for found_, planned in pool.map(lambda one: plan_one(*one), grouped):
            yield from build_proposal_rows(context, scan, found_, planned, diff=diff)


def _show(rows: Sequence[DriftRow], messages: Sequence[str], *, diff: bool) -> None:
    console = create_table_console()
    for line in messages:
        console.print(line, markup=False, soft_wrap=True)
    if not rows:
        console.print("Nothing else is out of step." if messages else "Everything is in step.")
        return
    table = create_table("mapping", "prompt", "label", "standing", "sync would")
    for row in rows:
        table.add_row(
            *(Text(cell) for cell in (row.mapping, row.prompt, row.label, row.standing, row.action))
        )
    console.print(table)
    console.print(f"\n{summarise_drift(rows)}", markup=False)
    for row in rows if diff else ():
        if console.is_terminal:
            console.print(Syntax(row.diff, "diff", background_color="default", word_wrap=True))
        else:
            typer.echo(row.diff)  # without colours and line breaks


def sync(
    path: Path,
    mappings: Sequence[str],
    adopt: AdoptRequest | None = None,
    *,
    as_json: bool = False,
) -> None:
    config = load_config(path, defer_secrets=True)
    if adopt is not None and adopt.side is AdoptedSide.REPOSITORY:
        _require_publish(config, mappings)
    with open_controller(config) as controller:
        names = [context.mapping.name for context in _chosen(config, controller, mappings)]
        if adopt is not None:
            _record_adoption(controller, names, adopt)
        done = _with_progress(controller, names, adopt)
    if as_json:
        typer.echo(json.dumps(_document(done), indent=2))
    else:
        _show_results(done)
    kinds = {one.kind for one in done}
    if ReconcileOutcomeKind.CONFLICT in kinds:
        raise typer.Exit(EXIT_CONFLICT)
    if kinds & {
        ReconcileOutcomeKind.PARKED,
        ReconcileOutcomeKind.WAITING,
        ReconcileOutcomeKind.REPOSITORY_AHEAD,
    }:
        raise typer.Exit(1)


def _record_adoption(
    controller: BridgeController, mappings: Iterable[str], adopt: AdoptRequest
) -> None:
    is_platform = adopt.side is AdoptedSide.PLATFORM
    action = AuditAction.ADOPTED_PLATFORM if is_platform else AuditAction.ADOPTED_REPOSITORY
    subject = ", ".join(adopt.names) or "every prompt that differs"
    for mapping in mappings:
        controller.store.audit.record(
            find_terminal_user(), action, mapping=mapping, subject=subject
        )


def _show_results(done: Sequence[SyncResult]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in done:
        if one.warning:
            console.print(f"warning: {one.reason}", markup=False)
        elif one.kind is not ReconcileOutcomeKind.IN_STEP:
            address = f" {one.pull_request}" if one.pull_request else ""
            subject = "" if one.reason.startswith(one.subject) else f"{one.subject}: "
            again = " Run sync again." if one.kind is ReconcileOutcomeKind.WAITING else ""
            console.print(f"{one.kind}: {subject}{one.reason}{address}{again}", markup=False)
    console.print(_summary(done), markup=False)


def _document(done: Sequence[SyncResult]) -> dict[str, object]:
    return {
        "counts": _count_kinds(done),
        "results": [
            {
                "subject": one.subject,
                "kind": one.kind,
                "reason": one.reason,
                "pull_request": one.pull_request,
                "count": one.count,
            }
            for one in done
            if not one.warning
        ],
        "warnings": [one.reason for one in done if one.warning],
    }


def _require_publish(config: BridgeConfig, mappings: Sequence[str]) -> None:
    """Raise InvalidInputError where a mapping does not publish, so the repository's text may not be
    written to PromptLayer."""
    for mapping in [config.find_mapping(name) for name in mappings] or config.mappings:
        if not mapping.publish:
            raise InvalidInputError(
                f"Mapping {mapping.name} does not write to PromptLayer: set `publish: true`, or"
                " name the mappings that do."
            )
    reject_pull_request_event(os.environ)


def _with_progress(
    controller: BridgeController, names: Iterable[str], adopt: AdoptRequest | None
) -> list[SyncResult]:
    with show_progress_bar("comparing") as tell:
        return sync_mappings(controller, list(names), tell, adopt)


def _summary(done: Sequence[SyncResult]) -> str:
    counts = _count_kinds(done)
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing to do"


def _count_kinds(done: Sequence[SyncResult]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in done:
        if not one.warning and one.count:
            counts[one.kind] = counts.get(one.kind, 0) + one.count
    return dict(sorted(counts.items()))
