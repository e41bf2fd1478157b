"""Find people's changes to the bridge's files on a branch, for the reviewer: which file, how,
and who."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.errors import StaleStateError
from bridge.prompts.planning.plan import FileEdit, find_target
from bridge.prompts.pull_request.commit_message import parse_mapping_name
from bridge.prompts.pull_request.proposal_summary import BranchChange
from bridge.prompts.target import Target
from bridge.reconcile.branch_merge import BranchMerge
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.repo.commit import GitCommit


def find_branch_changes(
    observation: ProposalObservation, edits: Sequence[FileEdit], merged: BranchMerge | None
) -> tuple[BranchChange, ...]:
    """Find the changes of people; ``merged`` is the merge of the branch's files, None for a
    branch without commits of people. Files of other prompts are left out."""
    if merged is None:
        return ()
    who = _find_people(observation)
    wanted = {find_target(observation.proposal.mapping, edit): edit for edit in edits}
    found = [*_kept(merged, wanted, who), *_taken_out(observation, merged, who)]
    return tuple(sorted(found, key=lambda change: change.path))


def _kept(
    merged: BranchMerge, wanted: Mapping[Target, FileEdit], who: Mapping[str, tuple[str, ...]]
) -> Iterator[BranchChange]:
    # Who edited a file that has been moved since did so at a path that is gone.
    there = merged.files.here.entries
    gone = tuple(dict.fromkeys(n for path, some in who.items() if path not in there for n in some))
    for target, (path, text) in merged.left.items():
        written, edit = merged.files.written.get(target), wanted.get(target)
        home = edit.change.path if edit else path
        before = written.path if written and written.path else home
        people = tuple(dict.fromkeys((*who.get(path, ()), *who.get(before, ())))) or gone
        if not people:
            continue
        if path not in (home, before):
            yield BranchChange(path, "moved", people, before)
        elif _is_edited(merged, target, edit, text):
            yield BranchChange(path, "edited", people)


def _is_edited(merged: BranchMerge, target: Target, edit: FileEdit | None, text: bytes) -> bool:
    """Whether the file holds more than PromptLayer's text."""
    written = merged.files.written.get(target)
    exact = written.file.text if written and written.exact and written.file else None
    return text not in (edit.text if edit else None, exact)


def _taken_out(
    observation: ProposalObservation, merged: BranchMerge, who: Mapping[str, tuple[str, ...]]
) -> Iterator[BranchChange]:
    edits = {
        target_diff.target: target_diff.edit
        for target_diff in observation.target_diffs
        if target_diff.edit
    }
    for target in observation.taken_out:
        path = merged.files.get_written_path(target, edits[target])
        yield BranchChange(path, "taken out", who.get(path, ()))


def _find_people(observation: ProposalObservation) -> dict[str, tuple[str, ...]]:
    """Find the people whose commits touch each path: path → people, the newest commit first."""
    tip = observation.tip
    if tip is None or not tip.others:
        return {}
    names = {commit.object_id: _name(commit) for commit in tip.others}
    line = [commit.object_id for commit in tip.line]
    try:
        touched = observation.snapshot.find_touched_paths(
            [*line, *([tip.base_commit_id] if tip.base_commit_id else [])]
        )
    except StaleStateError:  # the commit under the branch was rewritten
        return {}
    people: dict[str, dict[str, None]] = {}
    for commit in line:
        for path in touched.get(commit, ()) if commit in names else ():
            people.setdefault(path, {})[names[commit]] = None
    return {path: tuple(some) for path, some in people.items()}


def _name(commit: GitCommit) -> str:
    """Who made it. A commit of the bridge that was rewritten still names its editor as author."""
    rewritten = parse_mapping_name(commit.message) is not None
    return (commit.committer if rewritten else commit.author).name
