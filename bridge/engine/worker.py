"""The worker: takes what waits for a proposal, reconciles it, and books what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.books.problems import ProblemKind
from bridge.engine.arrivals import moments_of
from bridge.engine.comparing import Compared, take_in
from bridge.engine.dispatch import asks_of
from bridge.engine.errand_run import ErrandRun
from bridge.engine.errands import Errand, decided, errands_of
from bridge.engine.errands import occasion_of as errand_occasion
from bridge.engine.failures import Failures, describe_exception
from bridge.engine.ledger import Ask, Ledger, WaitingLook
from bridge.engine.occasions import occasion_of
from bridge.engine.pruning import NO_WORD, PersonsWord, with_following
from bridge.engine.room import LimitReached, Room
from bridge.engine.steps import looking
from bridge.errors import (
    BridgeError,
    RateLimited,
    Transient,
    TransientRefusal,
    Unavailable,
)
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.following import Followed
from bridge.steps.publish import Result, agreements_of, publish_all, told
from bridge.steps.reconcile import reconcile
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site
from bridge.storage.budgets import Budgets
from bridge.storage.forge_delivery import forge_of
from bridge.storage.inbox import Clock, Delivery, DeliveryState, Inbox
from bridge.storage.restraint import Restraint, growing_pause
from bridge.telemetry.trail import step

log = logging.getLogger("bridge.worker")

Send = Callable[[Errand, str], None]  # an errand, and its occasion

SWEEP = "sweep"  # what failed, where a sweep did
_DISPATCH_AT_ONCE = 200  # within half a minute, or the database takes the turn away
_REFUSALS = 4  # attempts, half a minute together, before a refusal counts that may pass by itself
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
    failures: Failures = field(init=False)

    def __post_init__(self) -> None:
        self.failures = Failures(self.ledger.problems, self.inbox, self.clock)

    def dispatch(self, enqueue: Callable[[Proposal], None], send: Send) -> int:
        """Turn new deliveries into looks and errands; returns how many deliveries there were.
        They stay new until these are enqueued, so a crash in between only repeats this."""
        fresh, sites = self.failures.due(self.inbox.fresh(_DISPATCH_AT_ONCE)), self.sites
        sent = self.failures.read_each(fresh, lambda delivery: errands_of(delivery, sites))
        wanted = (delivery for delivery in fresh if not sent.get(delivery.id, True))
        asks = self.failures.read_each(wanted, lambda delivery: self._asks(delivery, sites))
        fresh = [d for d in fresh if sent.get(d.id) or d.id in asks]
        self.ledger.errands.ask(sent, fresh)
        for delivery in fresh:
            for errand in sent[delivery.id]:
                with step("dispatch", delivery=delivery.id, mapping=errand.mapping):
                    send(errand, errand_occasion(delivery))
                    words = "delivery %s asks %s to %s"
                    log.info(words, delivery.id[:12], errand.mapping, errand.kind)
        self.ledger.errands.dispatched([id for id, some in sent.items() if some])
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

    def run(
        self,
        errand: Errand,
        enqueue: Callable[[Proposal], None],
        occasion: str = "",
        attempt: int = 0,
    ) -> float | None:
        """Run an errand. Returns after how many seconds to try again, None when it is over; its
        delivery says what came of it. ``occasion`` is that of the delivery."""
        return ErrandRun(self, errand, occasion, attempt).run(enqueue)

    def _mark(self, ids: Collection[str], state: DeliveryState, outcome: str | None = None) -> None:
        if ids:
            self.inbox.set_state(ids, state, outcome, only_from=[DeliveryState.NEW])

    def look_at(
        self,
        proposal: Proposal,
        listed: Mapping[Target, Prompt] | None = None,
        word: PersonsWord = NO_WORD,
    ) -> float | None:
        """Look at one proposal. Returns after how many seconds to look again, None for not.
        ``listed`` is what a scan has just read from the list pages, ``word`` what a person says
        with this look."""
        waiting = self.ledger.waiting(proposal)
        if not waiting:
            return None
        with looking(proposal, waiting):
            return self._look_at(proposal, waiting, listed or {}, word)

    def _look_at(
        self,
        proposal: Proposal,
        waiting: tuple[WaitingLook, ...],
        listed: Mapping[Target, Prompt],
        word: PersonsWord,
    ) -> float | None:
        site = self.sites.get(proposal.mapping)
        if site is None:
            return self._without_site(proposal, waiting)
        if paused := self._paused(site, proposal):
            seconds, reason = paused
            return self.ledger.hold(proposal, reason, seconds)
        return self._reconcile(site, proposal, waiting, listed, word)

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
        return self.room.paused(proposal.mapping)

    def make_room(self, mapping: str) -> tuple[Proposal, ...]:
        """The proposals to look at now because others of their mapping were decided."""
        site = self.sites.get(mapping)
        return self.room.admit(site) if site is not None else ()

    def _reconcile(
        self,
        site: Site,
        proposal: Proposal,
        waiting: tuple[WaitingLook, ...],
        listed: Mapping[Target, Prompt],
        word: PersonsWord,
    ) -> float | None:
        try:
            occasion = occasion_of(self.inbox, site.mapping.source, waiting, listed)
            outcome = reconcile(
                site,
                self.index,
                proposal,
                with_following(occasion, site.mapping, self.ledger.standings, word),
                now=self.clock(),
                permit=lambda site: self.room.take(site, proposal),
            )
        except TransientRefusal as error:
            if self.ledger.attempts(proposal) < _REFUSALS:
                return self._wait(site, proposal, error)
            self._park(proposal, waiting, str(error))
        except Transient as error:
            return self._wait(site, proposal, error)
        except BridgeError as error:
            self._park(proposal, waiting, str(error))
        except Exception as error:  # a mistake of ours must not stop the others
            reason = describe_exception(error)
            pause = self.failures.record(proposal.mapping, looking_at(proposal), error)
            if pause is not None:
                return self.ledger.postpone(proposal, reason, pause)
            self._park(proposal, waiting, reason)
        else:
            self.failures.mend(proposal.mapping, looking_at(proposal))
            self._settle(site, proposal, waiting, outcome)
        return None

    def sweep(
        self,
        mapping: str,
        enqueue: Callable[[Proposal], None],
        *,
        with_others: bool = False,
        attempt: int = 0,
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
            admitted = self.room.admit(site, ask=True)
            site.mirror.tidy()
        except Transient as error:
            log.warning("sweep of %s waits: %s", mapping, error)
            self.ledger.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return growing_pause(attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("sweep of %s: %s", mapping, error)
            self.ledger.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return None
        except Exception as error:  # a mistake of ours must not stop the others
            return self.failures.record(mapping, SWEEP, error)
        self.ledger.problems.replace(mapping, ProblemKind.SWEEP, {})
        self.failures.mend(mapping, SWEEP)
        for target, reason in found.refusals:
            log.warning("sweep of %s: prompt %s is left out: %s", mapping, target.prompt_id, reason)
        for proposal in (*proposals, *admitted):
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
        site = self.sites[mapping]
        AgreementRecord(site, found.snapshot).write(found.agreements, self.clock())
        return take_in(self.ledger, Compared(site.mapping, found, started, self.clock(), age))

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
        for orphan in found.orphans:
            log.warning("%s: %s", site.mapping.name, orphan)
        return results

    def retry_parked(self) -> tuple[Proposal, ...]:
        """Ask again for the looks at what was parked, where the pause after that is over; returns
        the proposals to look at."""
        asks = [ask for ask in self.ledger.due_retries() if ask.proposal.mapping in self.sites]
        self.ledger.ask(asks)
        return tuple(sorted({ask.proposal for ask in asks}))

    def unfinished(self) -> tuple[Proposal, ...]:
        """Proposals that wait for a look, whatever the queues know of it."""
        return self.ledger.waiting_proposals()

    def overdue(self) -> tuple[Proposal, ...]:
        """Those that wait for longer than anybody should have to, were it not for lost jobs."""
        return self.ledger.waiting_proposals(_OVERDUE)

    def _wait(self, site: Site, proposal: Proposal, error: Transient) -> float:
        if isinstance(error, LimitReached):
            self.room.pause(proposal.mapping, error)
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
            self.room.resume(proposal.mapping)
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


def looking_at(proposal: Proposal) -> str:
    """What failed, where a look did."""
    return f"look at {proposal.branch}"
