"""The first sentences of a pull request's body: who did what and why, and what to be careful
about. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bridge.prompts.planning.three_way_merge import MergeConflict
from bridge.prompts.prompt import LATEST, Json
from bridge.prompts.pull_request.markdown import (
    escape_prose,
    format_code_block,
    format_code_span,
    format_name,
    join_with_others,
    shorten,
)
from bridge.prompts.pull_request.proposal_summary import (
    ApprovalRequest,
    BranchChange,
    PromptChange,
    PromptEditor,
    ProposalSummary,
)

_LONGEST_QUOTE = 300
_MOST_CONFLICTS = 5
_MOST_BRANCH_CHANGES = 20
_LONGEST_PART = 2000  # characters


def render_headline(summary: ProposalSummary) -> str:
    """Render one sentence: who did what, and the reason that they wrote."""
    if len(summary.changes) != 1:
        count = f"{len(summary.prompts):,} prompts of mapping {format_name(summary.mapping)}"
        if len(summary.prompts) == 1:
            labels = join_with_others(
                [format_name(c.label) for c in summary.changes], len(summary.changes), "more"
            )
            count = f"{format_name(summary.changes[0].prompt.name)} ({labels})"
        by = f" Edited by {_people(summary.editors)}." if summary.editors else ""
        return f"Brings {count} in step with PromptLayer.{by}"
    change = summary.changes[0]
    if change.after is None:
        return _removal(change, summary.editors)
    if change.adds_only_an_id:
        return _id(change)
    if change.sets_only_the_label:
        return _label_line(change)
    if summary.approval_request:
        proposed = f"{format_version(change)} of {format_name(change.prompt.name)}"
        return _ended(
            f"Proposes {proposed} for {_label(change)}", render_commit_message_quote(change)
        )
    return _ended(_deed(change, summary.editors), render_commit_message_quote(change))


def _id(change: PromptChange) -> str:
    name = format_name(change.prompt.name)
    return (
        f"Writes the id of {name} into its file, and changes nothing else of it. The prompt was made"
        " of that file; by the id the two belong together however either is renamed or moved."
    )


def _label_line(change: PromptChange) -> str:
    label, old = format_code_span(f"label: {change.label}"), change.label_in_file or ""
    return (
        f"Writes {label} into the file of {format_name(change.prompt.name)}, and changes nothing else"
        f" of it. The file is where that of label {format_name(change.label)} belongs, and says"
        f" {format_code_span(f'label: {old}')}, as a copy of another label's file does."
    )


def _removal(change: PromptChange, editors: Sequence[PromptEditor]) -> str:
    why = f": {escape_prose(shorten(change.reason, _LONGEST_QUOTE))}" if change.reason else ""
    tracked = "" if change.label == LATEST else f" ({format_name(change.label)})"
    by = f" By {_people(editors)}." if editors else ""
    return f"Removes the file of {format_name(change.prompt.name)}{tracked}{why}.{by}"


def _deed(change: PromptChange, editors: Sequence[PromptEditor]) -> str:
    name, version = format_name(change.prompt.name), format_version(change)
    who = _people(editors)
    if change.renamed_from is not None:
        old = format_name(change.renamed_from)
        if not who:  # the file's name may have been edited as well: nothing tells
            return f"Gives the file of {name} the name that the prompt has in PromptLayer; it says {old}"
        return f"{who} renamed {old} to {name} in PromptLayer"
    if change.label != LATEST:
        verb = "put" if change.before is None else "moved"
        where = f"{'on' if change.before is None else 'to'} {version} of {name}"
        label = _label(change)
        return _told_of(who, f"{verb} {label} {where}", f"{label} was {verb} {where}")
    if change.before is None and change.prompt.version == 1:
        return _told_of(who, f"created {name}", f"{name} was created")
    return _told_of(who, f"saved {version} of {name}", f"{version} of {name} was saved")


def _told_of(who: str, active: str, passive: str) -> str:
    sentence = f"{who} {active}" if who else passive[0].upper() + passive[1:]
    return f"{sentence} in PromptLayer"


def _ended(sentence: str, why: str) -> str:
    return f"{sentence}: {why}" if why else f"{sentence}."


def _people(editors: Sequence[PromptEditor]) -> str:
    return join_with_others([_person(editor) for editor in editors[:3]], len(editors), "others")


def _person(editor: PromptEditor) -> str:
    """Format a person with the login, but without a mention: a bot that pings people is switched
    off."""
    name = f"**{escape_prose(shorten(editor.name, 60)) or 'somebody'}**"
    return f"{name} ({format_name(editor.login)})" if editor.login else name


def _label(change: PromptChange) -> str:
    return "the newest version" if change.label == LATEST else f"label {format_name(change.label)}"


def render_commit_message_quote(change: PromptChange) -> str:
    """Quote the editor's message of the version; empty where there is none."""
    words = escape_prose(shorten((change.message or "").strip(), _LONGEST_QUOTE))
    return f"“{words}”" if words else ""


def format_version(change: PromptChange) -> str:
    """``version 9``."""
    number = change.prompt.version
    return f"version {number}" if number else "a new version"


def render_cautions(summary: ProposalSummary) -> Iterator[str]:
    """Banners, only where there is something to be careful about."""
    if summary.approval_request:
        yield _request(summary.approval_request, summary)
    yield from _overwrites(summary)
    if summary.branch_conflicts:
        yield _branch_conflict(summary.branch_conflicts)
    if summary.branch_changes:
        yield _branch_changes(summary.branch_changes)


def _branch_conflict(paths: Sequence[str]) -> str:
    names = [format_code_span(path) for path in paths[:_MOST_CONFLICTS]]
    return _banner(
        "The branch is not up to date.",
        f"PromptLayer changed {join_with_others(names, len(paths), 'more')} too, in a part that people"
        " changed on this branch: a comment says how to go on. Until then, what follows is what the"
        " branch says.",
    )


def _branch_changes(changes: Sequence[BranchChange]) -> str:
    """Describe people's changes on the branch, which stay: they are merged with PromptLayer's
    text."""
    lines = [f"- {_branch_change(change)}" for change in changes[:_MOST_BRANCH_CHANGES]]
    if len(changes) > _MOST_BRANCH_CHANGES:
        lines.append(f"- and {len(changes) - _MOST_BRANCH_CHANGES:,} more")
    return "\n".join(["People changed this branch, and what they did stays:", "", *lines])


def _branch_change(change: BranchChange) -> str:
    by = [f"**{escape_prose(shorten(name, 60))}**" for name in change.people[:3]]
    who = f" by {join_with_others(by, len(change.people), 'others')}" if by else ""
    if change.deed == "moved":
        return f"{format_code_span(change.path)} was moved here from {format_code_span(change.old_path or '')}{who}."
    if change.deed == "taken out":
        again = "it is proposed again when PromptLayer's content changes"
        return f"{format_code_span(change.path)} was taken out{who}; {again}."
    return f"{format_code_span(change.path)} was edited{who}."


def _request(request: ApprovalRequest, summary: ProposalSummary) -> str:
    who = escape_prose(shorten(request.by, 60)) if request.by else "Somebody"
    day = escape_prose(shorten(request.at.partition("T")[0], 20))
    label = format_name(request.label)
    if request.change == "deletion":
        return _banner(
            "Waiting for approval in PromptLayer.",
            f"{who} asked on {day} to delete label {label}. "
            "This draft becomes ready for review upon approval.",
        )
    newest = "the newest of that moment is shown"
    if len(summary.changes) == 1 and summary.changes[0].prompt.version:
        newest = f"the newest of that moment, {summary.changes[0].prompt.version}, is shown"
    return _banner(
        "Waiting for approval in PromptLayer.",
        f"{who} asked on {day} to move label {label}. PromptLayer does not say to which version: "
        f"{newest}. Upon approval this draft shows what was approved and becomes ready for review.",
    )


def _overwrites(summary: ProposalSummary) -> Iterator[str]:
    for change in summary.changes:
        if change.conflicts:
            yield _conflicts(change)
    yield from _removed(summary)
    yield from _overtaken(summary)
    count = sum(change.is_overwriting and change.after is not None for change in summary.changes)
    if count:
        many = len(summary.changes) > 1
        files = f"{count:,} of these files" if many else "This file"
        were = "were" if count > 1 else "was"
        yield _banner(
            f"{files} {were} edited in the repository too.",
            "Merging replaces those edits with what PromptLayer holds: "
            "look for anything worth keeping in the file's diff first.",
        )


def _removed(summary: ProposalSummary) -> Iterator[str]:
    """Of files that one side removed, and the other changed."""
    for change in summary.changes:
        name = format_name(change.path)
        if change.is_overwriting and change.after is None:
            yield _banner(
                f"{name} was edited in the repository too.",
                "Merging removes those edits with it. To keep them, close this and make a prompt of"
                " the file: take the line with `id` out of it.",
            )
        if change.restores:
            yield _banner(
                f"{name} was removed from the repository.",
                "PromptLayer's text changed since then: merging brings the file back.",
            )


def _overtaken(summary: ProposalSummary) -> Iterator[str]:
    """Of versions that another label's file was put over."""
    for change in summary.changes:
        for number, by in change.overtaken:
            yield _banner(
                "Something that was saved is not in here.",
                f"In PromptLayer, version {number} of {format_name(change.prompt.name)} was overtaken"
                f" by version {by}, which was made of another label's file: look there"
                " for anything worth keeping.",
            )


def _conflicts(change: PromptChange) -> str:
    """Show both texts of every part that both sides changed, as long as there is room."""
    conflicts = "\n\n".join(_conflict(conflict) for conflict in change.conflicts[:_MOST_CONFLICTS])
    more = len(change.conflicts) - _MOST_CONFLICTS
    rest = f"\n\nAnd {more:,} more." if more > 0 else ""
    headline = _banner(
        "Both sides changed the same part.",
        "What PromptLayer says is proposed; all other edits of both sides are in. Edit the file on"
        " this branch where the repository's text should stay, then merge: what is merged is"
        " published.",
    )
    return f"{headline}\n\n{conflicts}{rest}"


def _conflict(conflict: MergeConflict) -> str:
    return (
        f"{format_code_span(conflict.place)} in PromptLayer:\n\n{_part(conflict.platform)}\n\n"
        f"in the repository:\n\n{_part(conflict.repository)}"
    )


def _part(value: Json) -> str:
    if value is None:
        return "(removed)"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return format_code_block(shorten(text, _LONGEST_PART), "")


def _banner(headline: str, words: str) -> str:
    return f"> **{headline}** {words}"
