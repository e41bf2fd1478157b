"""The worker: takes what waits for a proposal, reconciles it, and books what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.engine.arrivals import moments_of
from bridge.engine.comparing import Compared, take_in
from bridge.engine.dispatch import asks_of
from bridge.engine.errands import Errand, ErrandKind, decided, errands_of
from bridge.engine.errands import occasion_of as errand_occasion
from bridge.engine.ledger import Ask, Ledger, WaitingLook
from bridge.engine.occasions import occasion_of
from bridge.engine.room import LimitReached, Room
from bridge.engine.steps import looking
from bridge.errors import BridgeError, RateLimited, Stale, Transient, Unavailable
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import Adopt
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.deletion import delete_prompts
from bridge.steps.following import Followed, changed
from bridge.steps.observe import BaseFiles
from bridge.steps.publish import Result, agreements_of, publish_all, told
from bridge.steps.reconcile import reconcile
from bridge.steps.review import review
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site
from bridge.storage.budgets import Budgets
from bridge.storage.forge_delivery import forge_of
from bridge.storage.inbox import Clock, Delivery, DeliveryState, Inbox
from bridge.storage.restraint import Restraint
from bridge.telemetry.trail import step

log = logging.getLogger("bridge.worker")

Send = Callable[[Errand, str], None]  # an errand, and its occasion

_DISPATCH_AT_ONCE = 200  # within half a minute, or the database takes the turn away
_SWEEP_PAUSE = 60.0  # seconds
_LISTED_TOGETHER = timedelta(minutes=1)  # what was saved since has an event, and another sweep
_OVERDUE = timedelta(minutes=2)
_NOT_HEARD_PAUSE = 20.0  # seconds
_HEARD_BY_ALL = timedelta(minutes=2)  # after that a mapping nobody knows here is gone
_PASSED_OVER = timedelta(minutes=5)  # how long ago one may have passed over what another follows


@dataclass
class Worker:
    """Everything a running bridge does, without saying when: the queues call it."""

    sites: Mapping[str, Site]  # a new configuration brings others; a step goes on with its own
    inbox: Inbox
    ledger: Ledger
    restraint: Restraint
    room: Room
    clock: Clock
    index: FileIndex = field(default_factory=FileIndex)
    budgets: Budgets | None = None

    def dispatch(self, enqueue: Callable[[Proposal], None], send: Send) -> int:
        """Turn new deliveries into looks and errands; returns how many deliveries there were.
        They stay new until these are enqueued, so a crash in between only repeats this."""
        fresh, sites = self.inbox.fresh(_DISPATCH_AT_ONCE), self.sites
        sent = {delivery.id: errands_of(delivery, sites) for delivery in fresh}
        for delivery in fresh:
            for errand in sent[delivery.id]:
                with step("dispatch", delivery=delivery.id, mapping=errand.mapping):
                    send(errand, errand_occasion(delivery))
                    words = "delivery %s asks %s to %s"
                    log.info(words, delivery.id[:12], errand.mapping, errand.kind)
        self._mark([id for id, some in sent.items() if some], DeliveryState.DONE, "followed")
        asks = {d.id: self._asks(d, sites) for d in fresh if not sent[d.id]}
        told = moments_of(fresh, asks, sites, self.ledger.standings)
        self.ledger.ask((ask for some in asks.values() for ask in some), told)
        for proposal in sorted({ask.proposal for some in asks.values() for ask in some}):
            enqueue(proposal)
        if asking := [id for id, some in asks.items() if some]:
            self.ledger.dispatched(asking)
        of_forges = {delivery.id for delivery in fresh if forge_of(delivery) is not None}
        nobody = {id for id, some in asks.items() if not some}
        self._mark(nobody & of_forges, DeliveryState.IGNORED, "nothing to do for any mapping")
        words = "no mapping follows this prompt or label"
        self._mark(nobody - of_forges, DeliveryState.IGNORED, words)
        return len(fresh)

    def _asks(self, delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Ask, ...]:
        """The looks that a delivery asks for; the books know the targets of a decided proposal."""
        with step("dispatch", delivery=delivery.id):
            asks = asks_of(delivery, sites) or tuple(
                Ask(proposal, target, delivery.id)
                for proposal in decided(delivery, sites)
                for target in self.ledger.targets_of(proposal)
            )
            for proposal in sorted({ask.proposal for ask in asks}):
                log.info("delivery %s asks for a look at %s", delivery.id[:12], proposal.branch)
            return asks

    def pass_on(self) -> int:
        """Make new again what was taken for nobody's a while ago, by a process that did not know
        the mapping that follows it; returns how many deliveries there were."""
        sites, recent = self.sites, self.inbox.passed_over(self.clock() - _PASSED_OVER)
        followed = [d.id for d in recent if asks_of(d, sites) or errands_of(d, sites)]
        if not followed:
            return 0
        log.info("%d deliveries that another process passed over are followed here", len(followed))
        return self.inbox.set_state(followed, DeliveryState.NEW, only_from=[DeliveryState.IGNORED])

    def run(self, errand: Errand, enqueue: Callable[[Proposal], None]) -> float | None:
        """Run an errand. Returns after how many seconds to try again, None when it was done."""
        site = self.sites.get(errand.mapping)
        if site is None:
            return None
        try:
            if errand.kind is ErrandKind.REVIEW:
                review(site, self.index, int(errand.about), self.clock())
                return None
            return self._follow(site, errand.about, enqueue)
        except Stale:
            return self.sweep(errand.mapping, enqueue)  # the commit before is not to be had
        except Transient as error:
            log.warning("%s of %s waits: %s", errand.kind, errand.mapping, error)
            return error.retry_after or _SWEEP_PAUSE
        except BridgeError as error:
            log.error("%s of %s: %s", errand.kind, errand.mapping, error)
            return None

    def _follow(self, site: Site, about: str, enqueue: Callable[[Proposal], None]) -> float | None:
        """Look at what a push changed, if it was to the base branch."""
        branch, _, before = about.partition(" ")
        if branch != site.base:
            return None
        if not before:
            return self.sweep(site.mapping.name, enqueue)
        snapshot = site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
        found = changed(site, self.index, snapshot, before, snapshot.commit)
        self.create(site, found)
        if site.mapping.on_delete == "delete" and found.deleted:
            files = BaseFiles.at(site, snapshot, snapshot.commit, self.index)
            for words in delete_prompts(site, files, found.deleted):
                log.info("%s: %s", site.mapping.name, words)
        asks = [
            Ask(site.proposal(name, target), target, name=name)
            for target, name in found.targets.items()
        ]
        self.ledger.ask(asks)
        for proposal in sorted({ask.proposal for ask in asks}):
            enqueue(proposal)
        return None

    def _mark(self, ids: Collection[str], state: DeliveryState, outcome: str | None = None) -> None:
        if ids:
            self.inbox.set_state(ids, state, outcome, only_from=[DeliveryState.NEW])

    def look_at(
        self,
        proposal: Proposal,
        listed: Mapping[Target, Prompt] | None = None,
        adopt: Adopt | None = None,
    ) -> float | None:
        """Look at one proposal. Returns after how many seconds to look again, None for not.
        ``listed`` is what a scan has just read from the list pages, ``adopt`` whose text a
        person has chosen."""
        waiting = self.ledger.waiting(proposal)
        if not waiting:
            return None
        with looking(proposal, waiting):
            return self._look_at(proposal, waiting, listed or {}, adopt)

    def _look_at(
        self,
        proposal: Proposal,
        waiting: tuple[WaitingLook, ...],
        listed: Mapping[Target, Prompt],
        adopt: Adopt | None,
    ) -> float | None:
        site = self.sites.get(proposal.mapping)
        if site is None:
            return self._without_site(proposal, waiting)
        if paused := self._paused(site, proposal):
            seconds, reason = paused
            return self.ledger.hold(proposal, reason, seconds)
        return self._reconcile(site, proposal, waiting, listed, adopt)

    def _without_site(self, proposal: Proposal, waiting: tuple[WaitingLook, ...]) -> float | None:
        """Of a new mapping, another process may have heard sooner than this one."""
        if self.clock() - min(look.asked_at for look in waiting) > _HEARD_BY_ALL:
            self._park(proposal, waiting, f"There is no mapping {proposal.mapping} any more.")
            return None
        reason = f"The process that looked knows no mapping {proposal.mapping}."
        return self.ledger.postpone(proposal, reason, _NOT_HEARD_PAUSE)

    def _paused(self, site: Site, proposal: Proposal) -> tuple[float, str] | None:
        """Whether to leave a proposal alone for now. One that waits for room needs no look: what
        thousands of them would ask of the forge is more than it answers."""
        if paused := self.restraint.paused(site.forge.repository):
            return paused
        standing = self.ledger.standing(proposal)
        if standing is None or standing.kind is not OutcomeKind.WAITING or standing.pull_request:
            return None
        return self.restraint.paused(_room(proposal.mapping))

    def _reconcile(
        self,
        site: Site,
        proposal: Proposal,
        waiting: tuple[WaitingLook, ...],
        listed: Mapping[Target, Prompt],
        adopt: Adopt | None,
    ) -> float | None:
        try:
            occasion = occasion_of(self.inbox, site.mapping.source, waiting, listed)
            outcome = reconcile(
                site,
                self.index,
                proposal,
                replace(occasion, adopt=adopt),
                now=self.clock(),
                permit=lambda site: self.room.take(site, proposal),
            )
        except Transient as error:
            return self._wait(site, proposal, error)
        except BridgeError as error:
            self._park(proposal, waiting, str(error))
        except Exception as error:  # a mistake of ours must not stop the others
            log.exception("proposal %s of %s failed", proposal.branch, proposal.mapping)
            self._park(
                proposal, waiting, f"A mistake in the bridge ({type(error).__name__}); see its log."
            )
        else:
            self._settle(site, proposal, waiting, outcome)
        return None

    def sweep(
        self, mapping: str, enqueue: Callable[[Proposal], None], *, with_others: bool = False
    ) -> float | None:
        """Look for what webhooks lost. Returns after how many seconds to try again, None when
        the sweep was done. Those of an occasion (``with_others``) share what they list."""
        site = self.sites.get(mapping)
        if site is None:
            return None
        together = with_others and self._follows_with_others(site)
        age = _LISTED_TOGETHER if together else timedelta()
        started = self.clock()
        try:
            if self.budgets:
                self.budgets.spare(site.mapping.forge)
            found = scan(site, self.index, age=age.total_seconds())
            self.create(site, found)
            proposals = self.take_in(mapping, found, started, age)
            site.mirror.tidy()
        except Transient as error:
            log.warning("sweep of %s waits: %s", mapping, error)
            return error.retry_after or _SWEEP_PAUSE
        except BridgeError as error:
            log.error("sweep of %s: %s", mapping, error)
            return None
        for target, reason in found.refusals:
            log.warning("sweep of %s: prompt %s is left out: %s", mapping, target.prompt_id, reason)
        for proposal in proposals:
            enqueue(proposal)
        log.info("sweep of %s: %d in step, %d to look at", mapping, found.in_step, len(proposals))
        return None

    def _follows_with_others(self, site: Site) -> bool:
        """Whether other mappings follow the same workspace."""
        return sum(other.platform is site.platform for other in self.sites.values()) > 1

    def take_in(
        self, mapping: str, found: Scan, started: datetime, age: timedelta = timedelta()
    ) -> tuple[Proposal, ...]:
        """Note what a scan found; returns the proposals to look at. ``age`` is how old the list
        pages may have been."""
        record = AgreementRecord(self.sites[mapping], found.snapshot)
        record.write(found.agreements, self.clock())
        return take_in(self.ledger, Compared(mapping, found, started, self.clock(), age))

    def create(self, site: Site, found: Scan | Followed) -> list[Result]:
        """Make prompts of files without an id, where the mapping publishes; the next scan brings
        the ids into the files."""
        new = found.new if site.mapping.publish else ()
        results = publish_all(site, found.snapshot, new)
        agreements = agreements_of(site, found.snapshot, results)
        AgreementRecord(site, found.snapshot).write(agreements, self.clock())
        for result in results:
            log.info("%s: %s", site.mapping.name, told(result))
        for mistake in found.mistakes:
            log.error("%s: %s", site.mapping.name, mistake)
        return results

    def unfinished(self) -> tuple[Proposal, ...]:
        """Proposals that wait for a look, whatever the queues know of it."""
        return self.ledger.waiting_proposals()

    def overdue(self) -> tuple[Proposal, ...]:
        """Those that wait for longer than anybody should have to, were it not for lost jobs."""
        return self.ledger.waiting_proposals(_OVERDUE)

    def _wait(self, site: Site, proposal: Proposal, error: Transient) -> float:
        if isinstance(error, LimitReached):
            self.restraint.pause_repository(_room(proposal.mapping), str(error), error.retry_after)
        elif isinstance(error, Unavailable | RateLimited):
            self.restraint.pause_repository(site.forge.repository, str(error), error.retry_after)
        seconds = self.ledger.postpone(proposal, str(error), error.retry_after)
        log.warning("%s waits %.0f s: %s", proposal.branch, seconds, error)
        return seconds

    def _settle(
        self, site: Site, proposal: Proposal, waiting: Sequence[WaitingLook], outcome: Outcome
    ) -> None:
        self.restraint.resume_repository(site.forge.repository)
        if outcome.kind is OutcomeKind.PROPOSED:
            self.restraint.resume_repository(_room(proposal.mapping))
        self.ledger.settle(proposal, waiting, outcome)
        log.info(
            "%s: %s (%s)%s",
            proposal.branch,
            outcome.kind,
            outcome.reason,
            f" {outcome.pull_request}" if outcome.pull_request else "",
        )

    def _park(self, proposal: Proposal, waiting: Sequence[WaitingLook], reason: str) -> None:
        self.ledger.settle(proposal, waiting, Outcome(OutcomeKind.PARKED, reason))
        log.error("%s is parked: %s", proposal.branch, reason)


def _room(mapping: str) -> str:
    """What is paused when a mapping may open no more pull requests for now."""
    return f"new pull requests of {mapping}"
