"""Survey a mapping: what merging has to say to PromptLayer, and what stands in its way.

The same eye that proposes sees what is to be published; a survey looks at everything that differs
and touches no pull request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import Refused
from bridge.eye import Eye, Seen
from bridge.guard import guard
from bridge.observe import BaseFiles
from bridge.prompts.occasion import Occasion
from bridge.prompts.publication import NewPrompt, Publication
from bridge.prompts.target import Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.scan import scan
from bridge.site import Site


@dataclass(frozen=True)
class Survey:
    site: Site
    snapshot: Snapshot
    publications: tuple[Publication, ...]
    new: tuple[NewPrompt, ...]
    met: tuple[Seen, ...]  # edited on both sides: a proposal has to say what goes
    refusals: tuple[tuple[Target, str], ...]
    mistakes: tuple[str, ...]  # in files, with path and line

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
    occasion = Occasion(targets, listed=found.listed)
    seen, refusals = Eye(site, base, None, occasion, None, now).see(targets)
    publications = tuple(s.publication for s in seen if s.publication)
    leaking = dict(_leaking(site, (*publications, *found.new)))
    met = (s for s in seen if s.edit and (s.edit.change.merges or s.edit.change.overwrites))
    return Survey(
        site=site,
        snapshot=found.snapshot,
        publications=tuple(one for one in publications if one.path not in leaking),
        new=tuple(one for one in found.new if one.path not in leaking),
        met=tuple(met),
        refusals=(*found.refusals, *refusals),
        mistakes=(*found.mistakes, *leaking.values()),
    )


def _leaking(site: Site, work: Sequence[Publication | NewPrompt]) -> Iterator[tuple[str, str]]:
    """Path → what is wrong, for files that hold a secret."""
    for one in work:
        try:
            guard(site.mapping, one.prompt, f"{one.path}: the file")
        except Refused as error:
            yield one.path, str(error)
