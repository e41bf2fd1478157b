"""Drift, told in rows: what differs between the sides, why, and what ``sync`` would do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.prompts.compare import Standing
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.plan import Edit, Plan, Propose, Rest, Tidy, Withdraw
from bridge.prompts.prompt import LATEST
from bridge.prompts.story import Change
from bridge.prompts.target import Target
from bridge.steps.guard import leaks_of
from bridge.steps.look import Look
from bridge.steps.scan import Scan
from bridge.steps.seen import Seen
from bridge.steps.site import Site


@dataclass(frozen=True)
class Row:
    """One line of ``plan``: a target that is out of step, and what ``sync`` would do."""

    mapping: str
    prompt: str
    label: str
    path: str
    standing: str
    action: str
    pull_request: str | None = None
    diff: str = ""


def rows_of_scan(site: Site, found: Scan) -> Iterator[Row]:
    """Prompts that have no place, files that are no prompts yet, and mistakes in files."""
    for target, reason in found.refusals:
        yield _refused(target, reason)
    leaking = leaks_of(site.mapping, found.new)
    for new in found.new:
        action = _making(site, leaking.get(new.path))
        yield Row(
            site.mapping.name,
            new.prompt.name,
            new.label,
            new.path,
            "never synced: a new file",
            action,
        )
    for orphan in found.orphans:
        action = f"nothing: {orphan.reason}"
        yield Row(site.mapping.name, "", "", orphan.path, "nobody's file", action)
    for mistake in found.mistakes:
        path = mistake.partition(":")[0]
        yield Row(site.mapping.name, "", "", path, "a mistake in the file", f"skip: {mistake}")


def _making(site: Site, leak: str | None) -> str:
    if not site.mapping.publish:
        return "nothing (the mapping does not publish)"
    return f"skip: {leak}" if leak else "make a prompt of it"


def rows_of_look(site: Site, look: Look, planned: Plan, *, diff: bool) -> Iterator[Row]:
    for target, reason in look.refusals:
        yield _refused(target, reason)
    action, address = _action(look, planned)
    yield from _proposed(look, planned, action, address, diff=diff)
    ahead = [each for each in look.seen if each.comparison.standing is Standing.REPOSITORY_AHEAD]
    leaking = leaks_of(site.mapping, look.publications)
    for each in ahead:
        yield _ahead(look, each, leaking)
    if not (look.edits or ahead or look.refusals or _at_rest(planned)):
        branch, reason = look.proposal.branch, look.situation.idle_reason
        yield Row(look.proposal.mapping, branch, "", "", reason, action, address)


def _refused(target: Target, reason: str) -> Row:
    return Row(
        target.mapping, str(target.prompt_id), target.label, "", "left out", f"skip: {reason}"
    )


def _proposed(
    look: Look, planned: Plan, action: str, address: str | None, *, diff: bool
) -> Iterator[Row]:
    seen = {(one.edit.change.path, one.target.label): one for one in look.seen if one.edit}
    for edit in look.edits:
        change = edit.change
        found = seen.get((change.path, change.label))
        yield Row(
            look.proposal.mapping,
            change.prompt.name,
            change.label,
            change.path,
            _standing(found, change, planned) if found else "proposed before",
            action,
            address,
            _diff(edit) if diff else "",
        )


def _ahead(look: Look, seen: Seen, leaking: Mapping[str, str]) -> Row:
    """A file that says something PromptLayer does not."""
    file = seen.file
    leak = leaking.get(file.path) if file else None
    return Row(
        look.proposal.mapping,
        file.prompt.name if file and file.prompt else look.proposal.branch,
        seen.target.label,
        file.path if file else "",
        seen.comparison.reason,
        f"skip: {leak}" if leak else _publishing(seen),
    )


def _publishing(seen: Seen) -> str:
    if seen.publication is None:
        return "nothing (the mapping does not publish)"
    labels = "".join(f" and move {label} to it" for label in seen.publication.labels)
    return f"publish a new version{labels}"


def _standing(seen: Seen, change: Change, planned: Plan) -> str:
    """Who did what, and what the comparison says of it."""
    if change.after is None:
        return change.reason or seen.comparison.reason
    if isinstance(planned, Rest) and planned.kind is OutcomeKind.UNDONE:
        return "taken back in the repository" if change.before else "deleted in the repository"
    return f"{_drift(seen, change)}: {seen.comparison.reason}"


def _drift(seen: Seen, change: Change) -> str:
    if change.before is None:
        return "never synced"
    if seen.comparison.standing is Standing.BOTH_MOVED:
        return f"edited on both sides, {_meeting(change)}"
    if change.renamed_from is not None:
        return "renamed on the platform"
    return "edited on the platform" if seen.target.label == LATEST else "label differs"


def _meeting(change: Change) -> str:
    return "merged" if change.merges and not change.conflicts else "in conflict"


def _diff(edit: Edit) -> str:
    lines = difflib.unified_diff(
        (edit.was or b"").decode("utf-8", "replace").splitlines(),
        (edit.text or b"").decode("utf-8", "replace").splitlines(),
        f"a/{edit.change.old_path or edit.change.path}" if edit.was is not None else "/dev/null",
        f"b/{edit.change.path}" if edit.text is not None else "/dev/null",
        lineterm="",
    )
    return "\n".join(lines)


def _at_rest(planned: Plan) -> bool:
    return isinstance(planned, Tidy) or (
        isinstance(planned, Rest) and planned.kind is OutcomeKind.IN_STEP
    )


def _action(look: Look, planned: Plan) -> tuple[str, str | None]:
    if isinstance(planned, Propose):
        if planned.pull_request is None:
            return "open a pull request", None
        if look.is_current:
            return "nothing (proposed already)", planned.pull_request.url
        return "bring the pull request up to date", planned.pull_request.url
    if isinstance(planned, Withdraw):
        return "withdraw the pull request", planned.pull_request.url
    if isinstance(planned, Rest):
        address = planned.pull_request.url if planned.pull_request else None
        return f"nothing ({planned.kind}): {planned.reason}", address
    return "delete the branch", None
