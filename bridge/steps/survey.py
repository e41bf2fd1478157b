"""Survey a mapping: what merging has to say to PromptLayer, and what stands in its way.

The same eye that proposes sees what is to be published; a survey looks at everything that differs
and touches no pull request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.agreement import Agreement
from bridge.prompts.memory import recall
from bridge.prompts.occasion import Occasion
from bridge.prompts.publication import NewPrompt, Publication
from bridge.prompts.target import Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.steps.eye import Eye
from bridge.steps.guard import leaks_of
from bridge.steps.newcomers import OrphanFile
from bridge.steps.observe import BaseFiles
from bridge.steps.proposal_history import AskedProposals
from bridge.steps.scan import scan
from bridge.steps.seen import Seen, find_agreements
from bridge.steps.site import Site


@dataclass(frozen=True)
class Survey:
    site: Site
    snapshot: Snapshot
    publications: tuple[Publication, ...]
    new: tuple[NewPrompt, ...]
    met: tuple[Seen, ...]  # edited on both sides: a proposal has to say what goes
    unnamed: tuple[Seen, ...]  # made in PromptLayer, and their files do not say so yet
    refusals: tuple[tuple[Target, str], ...]
    mistakes: tuple[str, ...]  # in files, with path and line
    orphans: tuple[OrphanFile, ...]
    gone: tuple[Seen, ...]  # PromptLayer has them no longer, and their files are still there
    behind: tuple[Seen, ...]  # PromptLayer has something newer, which is proposed
    agreements: Mapping[Target, Agreement]  # of what both sides say the same about

    @property
    def conflicts(self) -> tuple[Seen, ...]:
        """Those whose edits overlap, so that a person has to decide."""
        return tuple(
            seen
            for seen in self.met
            if seen.edit and (seen.edit.change.conflicts or seen.edit.change.overwrites)
        )


def survey(site: Site, index: FileIndex, now: datetime, at: str | None = None) -> Survey:
    """Compare all that a mapping follows with its base branch, or with the commit ``at``."""
    found = scan(site, index, at)
    targets = tuple(sorted({each.target for each in found.candidates}))
    base = BaseFiles.at(site, found.snapshot, found.snapshot.commit, index)
    adopted = _adopted(site) if targets else frozenset[int]()
    occasion = Occasion(targets, listed=found.listed, adopted=adopted)
    eye = Eye(site, base, None, occasion, None, now, AskedProposals(site))
    seen, refusals = eye.see(targets)
    publications = tuple(s.publication for s in seen if s.publication)
    leaking = leaks_of(site.mapping, (*publications, *found.new))
    readable = [each for each in seen if each.target not in found.unreadable]
    return Survey(
        site=site,
        snapshot=found.snapshot,
        publications=tuple(one for one in publications if one.path not in leaking),
        new=tuple(one for one in found.new if one.path not in leaking),
        met=tuple(each for each in readable if _is_met(each)),
        unnamed=tuple(each for each in readable if _is_unnamed(each)),
        refusals=(
            *found.refusals,
            *(each for each in refusals if each[0] not in found.unreadable),
        ),
        mistakes=(*found.mistakes, *leaking.values()),
        orphans=found.orphans,
        gone=tuple(each for each in seen if each.edit and each.edit.change.after is None),
        behind=tuple(each for each in readable if _is_behind(each)),
        agreements={**found.agreements, **find_agreements(seen, found.snapshot.commit)},
    )


def _adopted(site: Site) -> frozenset[int]:
    """Prompts of which an open pull request takes PromptLayer's text because a person chose it."""
    memories = (recall(pull.body) for pull in site.forge.open_pull_requests(site.branches))
    return frozenset(id for memory in memories if memory for id in memory.adopted)


def _is_met(seen: Seen) -> bool:
    return seen.edit is not None and (seen.edit.change.merges or seen.edit.change.overwrites)


def _is_unnamed(seen: Seen) -> bool:
    before = seen.edit.change.before if seen.edit else None
    return before is not None and before.id is None and not _is_met(seen)


def _is_behind(seen: Seen) -> bool:
    if seen.edit is None or seen.publication is not None or seen.edit.change.before is None:
        return False
    return seen.edit.change.after is not None and not (_is_met(seen) or _is_unnamed(seen))
