"""What the parts of the engine share: the mappings in force, the inbox, the ledger, the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.engine.failures import Failures
from bridge.engine.ledger import Ledger
from bridge.engine.room import Room
from bridge.prompts.target import Proposal
from bridge.repo.index import FileIndex
from bridge.steps.site import Site
from bridge.storage.budgets import Budgets
from bridge.storage.inbox import Clock, Inbox
from bridge.storage.restraint import Restraint

_OVERDUE = timedelta(minutes=2)


@dataclass
class Worker:
    """What a running bridge works with. Dispatcher, Reconciler, ResyncRunner and ErrandRun do the
    work on it; the queues say when."""

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

    def make_room(self, mapping: str) -> tuple[Proposal, ...]:
        """The proposals to look at now because others of their mapping were decided."""
        site = self.sites.get(mapping)
        return self.room.admit(site) if site is not None else ()

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
