"""The branches of a mapping, as a scan needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.config.mapping import Group
from bridge.errors import Stale, UnsafePath
from bridge.prompts.plan import find_open
from bridge.prompts.target import Proposal, Target
from bridge.prompts.text import mapping_of, trailers
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import Tip, carried, tip_of
from bridge.steps.observe import BaseFiles
from bridge.steps.site import Site


@dataclass(frozen=True)
class ProposalBranch:
    """A branch of the mapping: targets that are always looked at there, and files that stand for
    the base's while it is proposed."""

    proposal: Proposal
    targets: frozenset[Target]
    overlay: Mapping[str, Entry | None]


def proposal_branches(site: Site, snapshot: Snapshot, index: FileIndex) -> Iterator[ProposalBranch]:
    """The branches whose newest commit of the bridge's names this mapping."""
    rolling = site.mapping.pull_request.group is Group.MAPPING
    tips = snapshot.commits(snapshot.branches.values())
    for name in snapshot.branches:
        tip = tip_of(site, snapshot, name, tips)
        if tip is None:
            continue
        proposal = Proposal(site.mapping.name, name)
        if tip.told is None:
            if reworded := _find_reworded(site, snapshot, index, name, tip):
                yield ProposalBranch(proposal, reworded, {})
            continue
        if mapping_of(tip.told.message) != site.mapping.name:
            continue
        if rolling:
            yield _rolling(site, snapshot, index, proposal, tip)
        else:
            yield ProposalBranch(proposal, _trailed(site, tip.told.message), {})


def _find_reworded(
    site: Site, snapshot: Snapshot, index: FileIndex, branch: str, tip: Tip
) -> frozenset[Target]:
    """The targets of a branch whose commits do not say any more what they propose: those of its
    files whose proposal it is."""
    if tip.onto is None:
        return frozenset()
    try:
        changes = snapshot.changes(tip.onto, tip.commit.object_name, site.folder)
    except Stale:  # the base was rewritten and the server forgot what the branch stood on
        return frozenset()
    left = {path: entry for path, (_, entry) in changes.items() if entry}
    files = BaseFiles.at(site, snapshot, tip.commit.object_name, index)
    found = files.find({target: path for path, target in files.owned(left).items()})
    return frozenset(
        target
        for target, file in found.items()
        if file.prompt and _is_branch_of(site, file.prompt.name, target, branch)
    )


def _is_branch_of(site: Site, name: str, target: Target, branch: str) -> bool:
    try:
        return site.proposal(name, target).branch == branch
    except UnsafePath:
        return False


def _trailed(site: Site, message: str) -> frozenset[Target]:
    return frozenset(
        Target(site.mapping.name, found.prompt_id, found.label) for found in trailers(message)
    )


def _rolling(
    site: Site, snapshot: Snapshot, index: FileIndex, proposal: Proposal, tip: Tip
) -> ProposalBranch:
    """One look at the mapping's one branch makes sure of its pull request; its files stand for
    the base's while that is open, so that what is proposed already is not looked at prompt by
    prompt. The branch of one that people closed stands for nothing."""
    files = BaseFiles.at(site, snapshot, snapshot.commit, index)
    overlay = {path: after for path, (_, after) in carried(site, snapshot, tip).items()}
    owned = sorted(files.owned({path: entry for path, entry in overlay.items() if entry}).values())
    some = owned[:1] or sorted(_trailed(site, tip.commit.message))[:1]
    is_open = find_open(site.forge.pull_requests(proposal.branch), snapshot.base) is not None
    return ProposalBranch(proposal, frozenset(some), overlay if is_open else {})
