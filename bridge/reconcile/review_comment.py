"""Review an engineer's pull request: one comment that says what merging it will publish."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.publication import describe_unpublished_fields
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.pull_request.body import render_changes
from bridge.prompts.pull_request.markdown import escape_prose, format_code_span, format_table_cell
from bridge.prompts.pull_request.prompt_diff import diff_prompts
from bridge.prompts.pull_request.proposal_summary import PromptChange
from bridge.prompts.target import Target
from bridge.reconcile.diff_targets import TargetDiffer
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_history import ForgeProposalHistory
from bridge.reconcile.push_changes import PushChanges, find_fork_point, find_push_changes
from bridge.reconcile.read_sources import (
    SinglePromptReader,
    choose_platform_reader,
    find_snippet_user_names,
)
from bridge.reconcile.secret_guard import find_secrets_in_files
from bridge.reconcile.target_diff import TargetDiff
from bridge.reconcile.unpublished import differs_in_unpublished_fields
from bridge.repo.prompt_file_index import PromptFileIndex

MARKER = "promptlayer-bridge-review"
_MOST_ROWS = 100
_MOST_DETAILED = 20  # publications whose differences are shown
_MARGIN = 200  # characters for the hidden marker of a comment


def write_review_comment(
    context: MappingContext, index: PromptFileIndex, number: int, now: datetime
) -> str | None:
    """Write the comment, or bring it up to date; returns what it says, None where the pull request
    is not open, goes elsewhere, or touches no prompt file."""
    pull = context.forge.find_pull_request(number)
    if (
        pull is None
        or pull.state is not PullRequestState.OPEN
        or pull.base_branch != context.base_branch
    ):
        return None
    snapshot = context.fetch()
    before = find_fork_point(snapshot, pull.head_commit)
    if before is None:
        return None
    push_changes = find_push_changes(context, index, snapshot, before, pull.head_commit)
    if not (
        push_changes.targets
        or push_changes.new_prompts
        or push_changes.mistakes
        or push_changes.orphans
    ):
        return None
    diffs, refusals = _diff_pushed_targets(context, push_changes, now)
    secret = find_secrets_in_files(
        context.mapping,
        [*push_changes.new_prompts, *(d.publication for d in diffs if d.publication)],
    )
    unpublished = _list_unpublished(context, push_changes, diffs)
    problems = [
        *unpublished,
        *(reason for _, reason in refusals),
        *secret.values(),
        *map(str, push_changes.orphans),
    ]
    diffs = tuple(d for d in diffs if d.publication is None or d.publication.path not in secret)
    push_changes = replace(
        push_changes,
        new_prompts=tuple(new for new in push_changes.new_prompts if new.path not in secret),
    )
    comment = _render_comment(context, pull, push_changes, diffs, problems)
    details = render_changes(
        _changes(context, diffs), context.forge.body_limit - len(comment) - _MARGIN
    )
    comment = "\n\n".join(filter(None, [comment, details]))
    context.forge.upsert_comment(number, MARKER, comment)
    return comment


def _diff_pushed_targets(
    context: MappingContext, push_changes: PushChanges, now: datetime
) -> tuple[tuple[TargetDiff, ...], tuple[tuple[Target, str], ...]]:
    """Diff each target whose file the pull request changes; returns the diffs and the refusals."""
    targets = tuple(sorted(push_changes.targets))
    platform = choose_platform_reader(context, targets, {})
    proposals = ForgeProposalHistory(context)
    differ = TargetDiffer(
        context, push_changes.after, platform, None, ReconcileContext(targets), None, now, proposals
    )
    return differ.diff_targets(targets)


def _list_unpublished(
    context: MappingContext, push_changes: PushChanges, diffs: tuple[TargetDiff, ...]
) -> list[str]:
    """List edits of names and tags that differ from PromptLayer's: merging does not publish them."""
    lines = []
    prompts = {diff.target: diff.held for diff in diffs}
    files = push_changes.after.find(dict.fromkeys(push_changes.targets, ""))
    old_files = push_changes.before.find(dict.fromkeys(files, ""))
    for target, file in files.items():
        former = old_files[target].prompt if target in old_files else None
        if not (file.prompt and former and differs_in_unpublished_fields(former, file.prompt)):
            continue
        if target not in prompts:  # it was refused
            prompts[target] = SinglePromptReader(context).read_tracked(target).prompt
        prompt = prompts[target]
        if prompt is not None and (words := describe_unpublished_fields(file.prompt, prompt)):
            lines.append(f"{file.path}: {words}.")
    return lines


def _render_comment(
    context: MappingContext,
    pull: PullRequest,
    push_changes: PushChanges,
    diffs: tuple[TargetDiff, ...],
    refusals: list[str],
) -> str:
    rows = [*_publications(diffs), *_creations(push_changes), *_others(diffs)]
    parts = [
        f"Merging this into {format_code_span(context.base_branch)} will do the following in PromptLayer."
    ]
    if pull.is_from_fork:
        parts[0] += " Nothing is published before that, whoever wrote it."
    if rows:
        shown = rows[:_MOST_ROWS]
        table = ["| file | what happens | what changes |", "|---|---|---|", *shown]
        if len(rows) > len(shown):
            table.append(f"| and {len(rows) - len(shown):,} more | | |")
        parts.append("\n".join(table))
    else:
        parts = ["Merging this publishes nothing to PromptLayer."]
    problems = list(dict.fromkeys([*push_changes.mistakes, *refusals]))
    if problems:
        lines = "\n".join(f"- {escape_prose(problem)}" for problem in problems[:_MOST_ROWS])
        parts.append(f"These files, or parts of them, cannot be published:\n\n{lines}")
    return "\n\n".join(parts)


def _changes(context: MappingContext, diffs: tuple[TargetDiff, ...]) -> list[PromptChange]:
    """What differs between PromptLayer and each file that will be published, for the reader."""
    publications = [one.publication for one in diffs if one.publication is not None]
    return [
        PromptChange(
            path=one.path,
            old_path=None,
            label=one.target.label,
            before=one.replaced_version,
            after=replace(one.prompt, version=None),
            used_by=find_snippet_user_names(context, one.replaced_version),
        )
        for one in publications[:_MOST_DETAILED]
    ]


def _publications(diffs: tuple[TargetDiff, ...]) -> list[str]:
    rows = []
    for one in diffs:
        if one.publication is not None:
            what = one.publication.words
            changes = diff_prompts(one.publication.replaced_version, one.publication.prompt)
            aspects = [row.aspect for row in changes.rows if row.aspect != "version"]
            aspects += [text.what for text in changes.texts]
            rows.append(_row(one.publication.path, what, ", ".join(aspects)))
    return rows


def _creations(push_changes: PushChanges) -> list[str]:
    return [
        _row(new.path, f"a new prompt, {new.prompt.name}", "") for new in push_changes.new_prompts
    ]


def _others(diffs: tuple[TargetDiff, ...]) -> list[str]:
    """Files that merging alone does not settle, with why."""
    rows = []
    for one in diffs:
        if one.edit is not None and one.edit.change.conflicts:
            places = ", ".join(conflict.place for conflict in one.edit.change.conflicts)
            what = "a conflict with PromptLayer, to be decided in a pull request of its own"
            rows.append(_row(one.edit.change.path, what, places))
        elif one.edit is not None and one.edit.change.is_merge:
            what = "an edit of PromptLayer is merged in by a pull request of its own first"
            rows.append(_row(one.edit.change.path, what, one.comparison.reason))
    return rows


def _row(path: str, what: str, changes: str) -> str:
    return f"| {format_table_cell(path)} | {escape_prose(what)} | {escape_prose(changes)} |"
