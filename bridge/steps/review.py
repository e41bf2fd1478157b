"""Review an engineer's pull request: one comment that says what merging it will publish."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.body import changes_told
from bridge.prompts.difference import difference
from bridge.prompts.markdown import cell, code_span, plain
from bridge.prompts.occasion import Occasion
from bridge.prompts.publication import unpublished_fields
from bridge.prompts.story import Change
from bridge.repo.index import FileIndex
from bridge.steps.eye import Eye
from bridge.steps.following import Followed, changed, fork_point
from bridge.steps.guard import leaks_of
from bridge.steps.observe import BaseFiles, OneByOne, snippet_user_names
from bridge.steps.proposal_history import AskedProposals
from bridge.steps.seen import Seen
from bridge.steps.site import Site
from bridge.steps.unpublished import edits_fields

MARKER = "promptlayer-bridge-review"
_MOST_ROWS = 100
_MOST_DETAILED = 20  # publications whose differences are shown
_MARGIN = 200  # characters for the hidden marker of a comment


def review(site: Site, index: FileIndex, number: int, now: datetime) -> str | None:
    """Write the comment, or bring it up to date; returns what it says, None where the pull request
    is not open, goes elsewhere, or touches no prompt file."""
    pull = site.forge.pull_request(number)
    if pull is None or pull.state is not PullRequestState.OPEN or pull.base != site.base:
        return None
    snapshot = site.fetch()
    before = fork_point(snapshot, pull.head_commit)
    if before is None:
        return None
    found = changed(site, index, snapshot, before, pull.head_commit)
    if not (found.targets or found.new or found.mistakes or found.orphans):
        return None
    base = BaseFiles.at(site, snapshot, pull.head_commit, index)
    eye = Eye(
        site, base, None, Occasion(tuple(sorted(found.targets))), None, now, AskedProposals(site)
    )
    seen, refusals = eye.see(tuple(sorted(found.targets)))
    secret = leaks_of(site.mapping, [*found.new, *(s.publication for s in seen if s.publication)])
    unpublished = _unpublished(site, found, before, base)
    problems = [
        *unpublished,
        *(reason for _, reason in refusals),
        *secret.values(),
        *map(str, found.orphans),
    ]
    seen = tuple(s for s in seen if s.publication is None or s.publication.path not in secret)
    found = replace(found, new=tuple(new for new in found.new if new.path not in secret))
    told = _comment(site, pull, found, seen, problems)
    details = changes_told(_changes(site, seen), site.forge.body_limit - len(told) - _MARGIN)
    told = "\n\n".join(filter(None, [told, details]))
    site.forge.comment(number, MARKER, told)
    return told


def _unpublished(site: Site, found: Followed, before: str, head: BaseFiles) -> list[str]:
    """Edits of names and tags that differ from PromptLayer's, and that merging will not bring there."""
    told = []
    older = BaseFiles.at(site, found.snapshot, before, head.index)
    now = head.find(dict.fromkeys(found.targets, ""))
    was = older.find(dict.fromkeys(now, ""))
    for target, file in now.items():
        former = was[target].prompt if target in was else None
        if not (file.prompt and former and edits_fields(former, file.prompt)):
            continue
        held = OneByOne(site).held(target).prompt
        if held is not None and (words := unpublished_fields(file.prompt, held)):
            told.append(f"{file.path}: {words}.")
    return told


def _comment(
    site: Site, pull: PullRequest, found: Followed, seen: tuple[Seen, ...], refusals: list[str]
) -> str:
    rows = [*_publications(seen), *_creations(found), *_others(seen)]
    parts = [f"Merging this into {code_span(site.base)} will do the following in PromptLayer."]
    if pull.from_fork:
        parts[0] += " Nothing is published before that, whoever wrote it."
    if rows:
        shown = rows[:_MOST_ROWS]
        table = ["| file | what happens | what changes |", "|---|---|---|", *shown]
        if len(rows) > len(shown):
            table.append(f"| and {len(rows) - len(shown):,} more | | |")
        parts.append("\n".join(table))
    else:
        parts = ["Merging this publishes nothing to PromptLayer."]
    problems = list(dict.fromkeys([*found.mistakes, *refusals]))
    if problems:
        lines = "\n".join(f"- {plain(problem)}" for problem in problems[:_MOST_ROWS])
        parts.append(f"These files, or parts of them, cannot be published:\n\n{lines}")
    return "\n\n".join(parts)


def _changes(site: Site, seen: tuple[Seen, ...]) -> list[Change]:
    """What differs between PromptLayer and each file that will be published, for the reader."""
    publications = [one.publication for one in seen if one.publication is not None]
    return [
        Change(
            path=one.path,
            old_path=None,
            label=one.target.label,
            before=one.replaces,
            after=replace(one.prompt, version=None),
            used_by=snippet_user_names(site, one.replaces),
        )
        for one in publications[:_MOST_DETAILED]
    ]


def _publications(seen: tuple[Seen, ...]) -> list[str]:
    rows = []
    for one in seen:
        if one.publication is not None:
            what = one.publication.words
            changes = difference(one.publication.replaces, one.publication.prompt)
            aspects = [row.aspect for row in changes.rows if row.aspect != "version"]
            aspects += [text.what for text in changes.texts]
            rows.append(_row(one.publication.path, what, ", ".join(aspects)))
    return rows


def _creations(found: Followed) -> list[str]:
    return [_row(new.path, f"a new prompt, {new.prompt.name}", "") for new in found.new]


def _others(seen: tuple[Seen, ...]) -> list[str]:
    """Files that merging alone does not settle, with why."""
    rows = []
    for one in seen:
        if one.edit is not None and one.edit.change.conflicts:
            places = ", ".join(conflict.place for conflict in one.edit.change.conflicts)
            what = "a conflict with PromptLayer, to be decided in a pull request of its own"
            rows.append(_row(one.edit.change.path, what, places))
        elif one.edit is not None and one.edit.change.merges:
            what = "an edit of PromptLayer is merged in by a pull request of its own first"
            rows.append(_row(one.edit.change.path, what, one.comparison.reason))
    return rows


def _row(path: str, what: str, changes: str) -> str:
    return f"| {cell(path)} | {plain(what)} | {plain(changes)} |"
