"""The state that the parts of the engine share: mappings in force, inbox, reconcile store, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.config.notify_settings import NotifySettings
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


@dataclass(frozen=True)
class NotificationConfig:
    """The settings of notifications, and certificates (PEM) to trust besides the system's."""

    settings: NotifySettings = field(default_factory=lambda: NotifySettings.model_validate({}))
    authorities: str = field(default="", repr=False)


@dataclass
class BridgeController:
    """The dependencies of Dispatcher, Reconciler, ResyncRunner and RepositoryJobRunner, which the
    queues and background loops call."""

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
    notifications: NotificationConfig = field(default_factory=NotificationConfig)
    failures: FailureRecords = field(init=False)

    def __post_init__(self) -> None:
        self.failures = FailureRecords(self.store.problems, self.inbox, self.clock)

    def release_waiting_proposals(self, mapping: str) -> tuple[Proposal, ...]:
        """The waiting proposals of a mapping that may have a pull request now, because others were
        decided."""
        context = self.contexts.get(mapping)
        return self.quota.release_waiting_proposals(context) if context is not None else ()

    def request_due_retries(self) -> tuple[Proposal, ...]:
        """Request the parked reconciles whose pause is over; returns their proposals."""
        requests = [
            request
            for request in self.store.list_due_retries()
            if request.proposal.mapping in self.contexts
        ]
        self.store.request(requests)
        return tuple(sorted({request.proposal for request in requests}))

    def find_pending_proposals(self) -> tuple[Proposal, ...]:
        """The proposals with pending reconciles, with or without a job."""
        return self.store.find_pending_proposals()

    def find_overdue_proposals(self) -> tuple[Proposal, ...]:
        """The proposals that are due for two minutes already, so their job may be lost."""
        return self.store.find_pending_proposals(_OVERDUE)
