"""``prune``: withdraw the pull requests, and propose to remove the files, of prompts that a mapping
follows no longer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from bridge.cli.audit_command import find_terminal_user
from bridge.cli.paused_mapping import reject_paused_mapping
from bridge.cli.progress_bar import show_progress_bar
from bridge.cli.resources import open_controller
from bridge.cli.terminal_tables import create_table, create_table_console
from bridge.config.bridge_config import load_config
from bridge.engine.sync_mappings import SyncResult, prune_targets
from bridge.engine.unfollowed_targets import UnfollowedTargets, find_unfollowed
from bridge.errors import InvalidInputError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.scan_mapping import MappingScan, scan_mapping
from bridge.status.audit_log import AuditAction
from bridge.status.target_status import TargetStatus


@dataclass(frozen=True)
class PruneCandidate:
    """One unfollowed target, and what ``prune`` would do about it."""

    target: Target
    name: str
    path: str | None
    reason: str
    action: str
    pull_request: str | None


def prune(path: Path, mapping: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    config = load_config(path, defer_secrets=True)
    name = config.find_mapping(mapping).name
    if not dry_run:
        reject_paused_mapping(config.find_mapping(mapping))
    with open_controller(config) as controller:
        context = controller.contexts[name]
        found = scan_mapping(context, controller.file_index, may_be_empty=True)
        entries = controller.store.target_statuses.find_by_mapping(name)
        unfollowed = find_unfollowed(context.mapping, found, entries)
        if not found.targets_in_step and not found.listed_prompts:
            unfollowed = _with_all_prompts(unfollowed, found)
        going = _build_candidates(context, found, unfollowed, entries)
        done: list[SyncResult] = []
        if not as_json:
            _show(name, going)
        if going and not dry_run and (yes or _is_confirmed(as_json)):
            controller.store.audit.record(
                find_terminal_user(),
                AuditAction.PRUNED,
                mapping=name,
                subject=f"{len(going)} unfollowed target{'' if len(going) == 1 else 's'}",
            )
            with show_progress_bar("pruning") as tell:
                done = prune_targets(controller, name, found, unfollowed, entries, tell)
    if as_json:
        typer.echo(json.dumps(_document(name, going, done), indent=2))
    else:
        _show_done(done)
    if any(one.kind in (ReconcileOutcomeKind.PARKED, ReconcileOutcomeKind.WAITING) for one in done):
        raise typer.Exit(1)


def _with_all_prompts(unfollowed: UnfollowedTargets, scan: MappingScan) -> UnfollowedTargets:
    """Add the targets that ``sync`` leaves alone because PromptLayer shows no prompt of the mapping at
    all."""
    gone = dict.fromkeys(scan.unlisted, "PromptLayer shows no prompt of the mapping")
    return UnfollowedTargets({**gone, **unfollowed.reasons}, unfollowed.held)


def _is_confirmed(as_json: bool) -> bool:
    """Whether the person at the terminal confirms; raises InvalidInputError without a terminal."""
    if as_json or not typer.get_text_stream("stdin").isatty():
        raise InvalidInputError("Say --yes to prune, or --dry-run to see only what would go.")
    return typer.confirm("Let all of this go?")


def _build_candidates(
    context: MappingContext,
    scan: MappingScan,
    unfollowed: UnfollowedTargets,
    statuses: Mapping[Target, TargetStatus],
) -> list[PruneCandidate]:
    branches = {each.target: each.proposal.branch for each in scan.candidates}
    pulls = {}
    if unfollowed.reasons:
        pulls = {
            pull.head_branch: pull
            for pull in context.forge.list_open_pull_requests(context.branch_prefix)
        }
    going = []
    for target, reason in sorted(unfollowed.reasons.items()):
        status, one = statuses.get(target), scan.unlisted.get(target)
        branch = branches.get(target) or (status.branch if status else "")
        pull = pulls.get(branch)
        file = one or scan.untracked.get(target)
        path = file.path if file else None
        name = (
            (file.name if file else None)
            or (status.name if status else "")
            or str(target.prompt_id)
        )
        action = (
            "propose to remove the file" if path else "nothing (only its decision is forgotten)"
        )
        if pull is not None and not path:
            action = "withdraw the pull request"
        elif pull is not None:
            action = "make the pull request propose to remove the file"
        url = pull.url if pull else None
        going.append(PruneCandidate(target, name, path, reason, action, url))
    return going


def _show(mapping: str, going: list[PruneCandidate]) -> None:
    console = create_table_console()
    if not going:
        console.print(f"Nothing is left of what mapping {mapping} follows no longer.", markup=False)
        return
    table = create_table("prompt", "label", "file", "prune would", "pull request", "because")
    for one in going:
        cells = (one.name, one.target.label, one.path or "", one.action)
        table.add_row(*(Text(cell) for cell in (*cells, one.pull_request or "", one.reason)))
    console.print(table)


def _show_done(done: list[SyncResult]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in done:
        address = f" {one.pull_request}" if one.pull_request else ""
        console.print(f"{one.kind}: {one.subject}: {one.reason}{address}", markup=False)


def _document(
    mapping: str, going: list[PruneCandidate], done: list[SyncResult]
) -> dict[str, object]:
    return {
        "mapping": mapping,
        "prune": [
            {
                "prompt": one.name,
                "prompt_id": one.target.prompt_id,
                "label": one.target.label,
                "path": one.path,
                "action": one.action,
                "pull_request": one.pull_request,
                "reason": one.reason,
            }
            for one in going
        ],
        "done": [
            {
                "what": one.subject,
                "outcome": str(one.kind),
                "reason": one.reason,
                "pull_request": one.pull_request,
            }
            for one in done
        ],
    }
