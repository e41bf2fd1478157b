"""Follow a push to the base branch: look at what it changed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bridge.books.problems import ProblemKind, by_subject
from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.target import Proposal
from bridge.repo.index import FileIndex
from bridge.steps.deletion import delete_prompts
from bridge.steps.following import Followed, changed
from bridge.steps.observe import BaseFiles
from bridge.steps.site import Site

log = logging.getLogger("bridge.worker")


@dataclass(frozen=True)
class Push:
    """What an errand to follow is about."""

    branch: str
    before: str  # the commit before; "" where the event names none

    @classmethod
    def of(cls, about: str) -> Push:
        branch, _, before = about.partition(" ")
        return cls(branch, before)


def follow_push(site: Site, index: FileIndex, before: str) -> Followed:
    """What was pushed since a commit. Raises Stale when that commit is not to be had any more."""
    snapshot = site.fetch()
    return changed(site, index, snapshot, before, snapshot.commit)


def _delete(site: Site, found: Followed, index: FileIndex) -> None:
    """Delete the prompts whose files a push deleted, unless one of its files cannot be read: that
    may be the one that seems to be deleted."""
    name = site.mapping.name
    if found.mistakes:
        log.error("%s: no prompt is deleted, as files cannot be read", name)
        return
    files = BaseFiles.at(site, found.snapshot, found.snapshot.commit, index)
    for words in delete_prompts(site, files, found.deleted):
        log.info("%s: %s", name, words)


def note_followed(ledger: Ledger, site: Site, found: Followed, index: FileIndex) -> list[Proposal]:
    """Ask for looks at what a push changed, and note the mistakes that it brought or mended;
    prompts of deleted files are deleted in PromptLayer where the mapping says so. Returns the
    proposals to look at."""
    name = site.mapping.name
    if site.mapping.on_delete == "delete" and found.deleted:
        _delete(site, found, index)
    ledger.problems.replace(name, ProblemKind.FILE, by_subject(found.mistakes), found.paths)
    asks = [
        Ask(site.proposal(name, target), target, name=name)
        for target, name in found.targets.items()
    ]
    ledger.ask(asks)
    return sorted({ask.proposal for ask in asks})
