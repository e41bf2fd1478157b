"""Errands: what a forge's event asks for besides a look at a proposal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import MalformedPayloadError
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.storage.forge_delivery import find_forge_name, parse_forge_event
from bridge.storage.inbox import Delivery


class RepositoryJobKind(StrEnum):
    PUSH = "follow"  # the base branch moved: look at what changed since a commit
    REVIEW = "review"  # a pull request of somebody: say what merging it will publish
    EVALUATION = "evaluate"  # start what a head or a merge asks for, and poll until it is over
    EVALUATION_EVENT = "evaluated"  # PromptLayer says that a run may be over: poll once


@dataclass(frozen=True, order=True)
class RepositoryJob:
    mapping: str
    kind: RepositoryJobKind
    argument: str
    """PUSH: the branch, and the commit before or nothing; REVIEW: its number; of evaluations: the
    request's ``job_argument``."""

    @property
    def is_evaluation(self) -> bool:
        return self.kind in (RepositoryJobKind.EVALUATION, RepositoryJobKind.EVALUATION_EVENT)


def find_affected_mappings(
    delivery: Delivery, contexts: Mapping[str, MappingContext]
) -> tuple[ForgeEvent | None, list[MappingContext]]:
    """A forge's event and the mappings of the repository it is about."""
    try:
        event = parse_forge_event(delivery)
    except MalformedPayloadError:
        return None, []
    if event is None:
        return None, []
    about = f"{find_forge_name(delivery)}:{event.repository}".casefold()
    return event, [
        context for context in contexts.values() if context.mapping.repository.casefold() == about
    ]


def build_repository_jobs(
    delivery: Delivery, contexts: Mapping[str, MappingContext]
) -> tuple[RepositoryJob, ...]:
    """What a forge's delivery asks for; nothing for PromptLayer's."""
    event, concerned = find_affected_mappings(delivery, contexts)
    if event is None:
        return ()
    return tuple(job for context in concerned for job in _errands(event, context))


def build_deduplication_key(delivery: Delivery) -> str:
    """The same however often a delivery is dispatched, and another once it is made new again."""
    return f"{delivery.id} {delivery.changed_at}"


def parse_delivery_id(deduplication_key: str) -> str:
    """The id of the delivery of such an occasion."""
    return deduplication_key.partition(" ")[0]


def _errands(event: ForgeEvent, context: MappingContext) -> Iterator[RepositoryJob]:
    name = context.mapping.name
    if isinstance(event, PushEvent):
        if _may_be_base(event.branch, context):
            yield RepositoryJob(
                name, RepositoryJobKind.PUSH, f"{event.branch} {event.before or ''}"
            )
    elif _reviews(context) and not _is_ours(event, context) and _is_worth_a_review(event):
        yield RepositoryJob(name, RepositoryJobKind.REVIEW, str(event.number))


def _reviews(context: MappingContext) -> bool:
    return context.mapping.publish or context.mapping.evals.is_started_for("pull_request")


def _may_be_base(branch: str, context: MappingContext) -> bool:
    """Where the mapping names none, only the forge knows; the bridge's own branches never are."""
    if context.mapping.base is not None:
        return branch == context.mapping.base
    return not branch.startswith(context.branch_prefix)


def find_decided_proposals(
    delivery: Delivery, contexts: Mapping[str, MappingContext]
) -> tuple[Proposal, ...]:
    """The proposals whose pull request somebody merged, closed or opened again."""
    event, concerned = find_affected_mappings(delivery, contexts)
    if not isinstance(event, PullRequestEvent):
        return ()
    return tuple(
        Proposal(context.mapping.name, event.head)
        for context in concerned
        if _is_ours(event, context)
    )


def _is_ours(event: PullRequestEvent, context: MappingContext) -> bool:
    return not event.from_fork and event.head.startswith(context.branch_prefix)


def _is_worth_a_review(event: PullRequestEvent) -> bool:
    return event.action in (
        PullRequestAction.OPENED,
        PullRequestAction.UPDATED,
        PullRequestAction.REOPENED,
    )
