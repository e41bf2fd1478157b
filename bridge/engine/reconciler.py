"""Reconcile what waits for a proposal, and record what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.dispatch import cause_of, telling
from bridge.engine.failures import describe_exception
from bridge.engine.ledger import WaitingLook
from bridge.engine.pruning import NO_WORD, PersonsWord, with_following
from bridge.engine.room import LimitReached
from bridge.engine.worker import Worker
from bridge.errors import BridgeError, RateLimited, Transient, TransientRefusal, Unavailable
from bridge.prompts.occasion import Cause, Occasion
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Proposal, Target
from bridge.steps.reconcile import reconcile
from bridge.steps.site import Site
from bridge.storage.inbox import Inbox
from bridge.telemetry.trail import step

log = logging.getLogger("bridge.worker")

_REFUSALS = 4  # attempts, half a minute together, before a refusal counts that may pass by itself
_NOT_HEARD_PAUSE = 20.0  # seconds
_LABELS_ASKED_ONE_BY_ONE = 50  # a look at more targets than this comes from a sweep
_HEARD_BY_ALL = timedelta(minutes=2)  # after that a mapping nobody knows here is gone


@dataclass(frozen=True)
class Reconciler:
    worker: Worker

    def reconcile(
        self,
        proposal: Proposal,
        listed: Mapping[Target, Prompt] | None = None,
        word: PersonsWord = NO_WORD,
    ) -> float | None:
        """Reconcile one proposal, if anything waits for that. Returns after how many seconds to do it
        again, None for not.
        ``listed`` is what a scan has just read from the list pages, ``word`` what a person says
        with this look."""
        waiting = self.worker.ledger.waiting(proposal)
        if not waiting:
            return None
        with looking(proposal, waiting):
            site = self.worker.sites.get(proposal.mapping)
            if site is None:
                return self._without_site(proposal, waiting)
            if paused := self._paused(site, proposal):
                seconds, reason = paused
                return self.worker.ledger.hold(proposal, reason, seconds)
            return self._reconcile(site, proposal, waiting, listed or {}, word)

    def _without_site(self, proposal: Proposal, waiting: tuple[WaitingLook, ...]) -> float | None:
        """Of a new mapping, another process may have heard sooner than this one."""
        if self.worker.clock() - min(look.asked_at for look in waiting) > _HEARD_BY_ALL:
            self._park(proposal, waiting, f"There is no mapping {proposal.mapping} any more.")
            return None
        reason = f"The process that looked knows no mapping {proposal.mapping}."
        return self.worker.ledger.postpone(proposal, reason, _NOT_HEARD_PAUSE)

    def _paused(self, site: Site, proposal: Proposal) -> tuple[float, str] | None:
        """Whether to leave a proposal alone for now. One that waits for room needs no look: what
        thousands of them would ask of the forge is more than it answers."""
        if paused := self.worker.restraint.paused(site.forge.repository):
            return paused
        standing = self.worker.ledger.standing(proposal)
        if standing is None or standing.kind is not OutcomeKind.WAITING or standing.pull_request:
            return None
        return self.worker.room.paused(proposal.mapping)

    def _reconcile(
        self,
        site: Site,
        proposal: Proposal,
        waiting: tuple[WaitingLook, ...],
        listed: Mapping[Target, Prompt],
        word: PersonsWord,
    ) -> float | None:
        try:
            occasion = occasion_of(self.worker.inbox, site.mapping.source, waiting, listed)
            outcome = reconcile(
                site,
                self.worker.index,
                proposal,
                with_following(occasion, site.mapping, self.worker.ledger.standings, word),
                now=self.worker.clock(),
                permit=lambda site: self.worker.room.take(site, proposal),
            )
        except TransientRefusal as error:
            if self.worker.ledger.attempts(proposal) < _REFUSALS:
                return self._wait(site, proposal, error)
            self._park(proposal, waiting, str(error))
        except Transient as error:
            return self._wait(site, proposal, error)
        except BridgeError as error:
            self._park(proposal, waiting, str(error))
        except Exception as error:  # a mistake of ours must not stop the others
            reason = describe_exception(error)
            pause = self.worker.failures.record(proposal.mapping, looking_at(proposal), error)
            if pause is not None:
                return self.worker.ledger.postpone(proposal, reason, pause)
            self._park(proposal, waiting, reason)
        else:
            self.worker.failures.mend(proposal.mapping, looking_at(proposal))
            self._settle(site, proposal, waiting, outcome)
        return None

    def _wait(self, site: Site, proposal: Proposal, error: Transient) -> float:
        if isinstance(error, LimitReached):
            self.worker.room.pause(proposal.mapping, error)
        elif isinstance(error, Unavailable | RateLimited):
            self.worker.restraint.pause_repository(
                site.forge.repository, str(error), error.retry_after
            )
        seconds = self.worker.ledger.postpone(proposal, str(error), error.retry_after)
        log.warning("%s waits %.0f s: %s", proposal.branch, seconds, error)
        return seconds

    def _settle(
        self, site: Site, proposal: Proposal, waiting: Sequence[WaitingLook], outcome: Outcome
    ) -> None:
        self.worker.restraint.resume_repository(site.forge.repository)
        if outcome.kind is OutcomeKind.PROPOSED:
            self.worker.room.resume(proposal.mapping)
        self.worker.ledger.settle(proposal, waiting, outcome)
        log.info(
            "%s: %s (%s)%s",
            proposal.branch,
            outcome.kind,
            outcome.reason,
            f" {outcome.pull_request}" if outcome.pull_request else "",
        )

    def _park(self, proposal: Proposal, waiting: Sequence[WaitingLook], reason: str) -> None:
        self.worker.ledger.settle(proposal, waiting, Outcome(OutcomeKind.PARKED, reason))
        log.error("%s is parked: %s", proposal.branch, reason)


def looking(proposal: Proposal, waiting: Sequence[WaitingLook]) -> AbstractContextManager[None]:
    """A look. It belongs to the delivery that asked first; where several did, all are named."""
    asked_by = tuple(dict.fromkeys(look.delivery_id for look in waiting if look.delivery_id))
    return step(
        "look",
        mapping=proposal.mapping,
        proposal=proposal.branch,
        delivery=next(iter(asked_by), None),
        deliveries=" ".join(asked_by) if len(asked_by) > 1 else None,
    )


def looking_at(proposal: Proposal) -> str:
    """What failed, where a look did."""
    return f"look at {proposal.branch}"


def occasion_of(
    inbox: Inbox, source: str, waiting: Sequence[WaitingLook], listed: Mapping[Target, Prompt]
) -> Occasion:
    """The occasion of these looks; ``source`` is that of the workspace their prompts are in."""
    targets = tuple(sorted({look.target for look in waiting}))
    deliveries = inbox.several({look.delivery_id for look in waiting} - {""})
    causes = [cause for delivery in deliveries if (cause := cause_of(delivery))]
    workspaces = {d.workspace_id for d in deliveries if d.workspace_id is not None}
    events = _label_events(inbox, source, targets, workspaces)
    return Occasion(targets, tuple(causes), events, listed)


def _label_events(
    inbox: Inbox, source: str, targets: Sequence[Target], workspaces: Collection[int]
) -> dict[Target, Cause]:
    """The newest event about each target's label, whenever it came."""
    newest: dict[Target, Cause] = {}
    for target in targets if len(targets) <= _LABELS_ASKED_ONE_BY_ONE else ():
        events = [
            delivery
            for workspace in workspaces
            for delivery in inbox.label_events(workspace, target.prompt_id, target.label, source)
        ]
        events.sort(key=lambda delivery: delivery.occurred_at, reverse=True)
        if events and (cause := cause_of(telling(events))):
            newest[target] = cause
    return newest
