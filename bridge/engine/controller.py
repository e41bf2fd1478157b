"""What the parts of the engine share: the mappings in force, the inbox, the ledger, the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.engine.failures import FailureRecords
from bridge.engine.pull_request_quota import PullRequestQuota
from bridge.engine.reconcile_store import ReconcileStore
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.serve.release_confirmer import ReleaseConfirmer
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.inbox import Clock, DeliveryInbox
from bridge.storage.rate_limits import RateLimitStore

_OVERDUE = timedelta(minutes=2)


@dataclass
class BridgeController:
    """What a running bridge works with. Dispatcher, Reconciler, ResyncRunner and ErrandRun do the
    work on it; the queues say when."""

    contexts: Mapping[
        str, MappingContext
    ]  # a new configuration brings others; a step goes on with its own
    inbox: DeliveryInbox
    store: ReconcileStore
    backoff: RepositoryBackoff
    quota: PullRequestQuota
    clock: Clock
    file_index: PromptFileIndex = field(default_factory=PromptFileIndex)
    rate_limits: RateLimitStore | None = None
    release_confirmer: ReleaseConfirmer | None = None  # where this process serves or works
    failures: FailureRecords = field(init=False)

    def __post_init__(self) -> None:
        self.failures = FailureRecords(self.store.problems, self.inbox, self.clock)

    def make_room(self, mapping: str) -> tuple[Proposal, ...]:
        """The proposals to look at now because others of their mapping were decided."""
        context = self.contexts.get(mapping)
        return self.quota.admit(context) if context is not None else ()

    def retry_parked(self) -> tuple[Proposal, ...]:
        """Ask again for the looks at what was parked, where the pause after that is over; returns
        the proposals to look at."""
        asks = [ask for ask in self.store.due_retries() if ask.proposal.mapping in self.contexts]
        self.store.request(asks)
        return tuple(sorted({ask.proposal for ask in asks}))

    def find_pending_proposals(self) -> tuple[Proposal, ...]:
        """Proposals that wait for a look, whatever the queues know of it."""
        return self.store.find_pending_proposals()

    def find_overdue_proposals(self) -> tuple[Proposal, ...]:
        """Those that wait for longer than anybody should have to, were it not for lost jobs."""
        return self.store.find_pending_proposals(_OVERDUE)
