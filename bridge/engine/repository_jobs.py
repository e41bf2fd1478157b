"""Repository jobs: the work that a forge's event asks for beside reconciles of proposals. Pure: it
reads no table and asks no forge."""

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
    PUSH = "follow"  # the base branch moved: reconcile the targets that changed since a commit
    REVIEW = "review"  # a person's pull request: comment which versions merging it will publish
    EVALUATION = "evaluate"  # start what a head or a merge asks for, and poll until it is over
    EVALUATION_EVENT = "evaluated"  # PromptLayer reports that a run may be over: poll once


@dataclass(frozen=True, order=True)
class RepositoryJob:
    """One job of one mapping. ``argument`` is the text of a ``PushArgument`` for PUSH, and the pull
    request's number for REVIEW."""

    mapping: str
    kind: RepositoryJobKind
    argument: str
    """PUSH: the branch, and the commit before or nothing; REVIEW: its number; of evaluations: the
    request's ``job_argument``."""

    @property
    def is_evaluation(self) -> bool:
        return self.kind in (RepositoryJobKind.EVALUATION, RepositoryJobKind.EVALUATION_EVENT)


@dataclass(frozen=True)
class ForgeEventMatch:
    """A forge's event, and the mappings of the repository that it is about."""

    event: ForgeEvent
    contexts: tuple[MappingContext, ...]


def match_forge_event(
    delivery: Delivery, contexts: Mapping[str, MappingContext]
) -> ForgeEventMatch | None:
    """Parse a forge's delivery and find the mappings it is about. None for every other delivery,
    and for a payload that cannot be parsed."""
    try:
        event = parse_forge_event(delivery)
    except MalformedPayloadError:
        return None
    if event is None:
        return None
    repository = f"{find_forge_name(delivery)}:{event.repository}".casefold()
    return ForgeEventMatch(
        event,
        tuple(
            context
            for context in contexts.values()
            if context.mapping.repository.casefold() == repository
        ),
    )


def build_repository_jobs(match: ForgeEventMatch | None) -> tuple[RepositoryJob, ...]:
    """The jobs that a forge's event asks of each of its mappings."""
    if match is None:
        return ()
    return tuple(job for context in match.contexts for job in _build_jobs(match.event, context))


def build_deduplication_key(delivery: Delivery) -> str:
    """A text that stays the same however often a delivery is dispatched, and changes when a person
    makes the delivery new again."""
    return f"{delivery.id} {delivery.changed_at}"


def parse_delivery_id(deduplication_key: str) -> str:
    """The id of the delivery that a deduplication key was built for."""
    return deduplication_key.partition(" ")[0]


def _build_jobs(event: ForgeEvent, context: MappingContext) -> Iterator[RepositoryJob]:
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
    """Whether a branch may be the mapping's base branch. Where the mapping names none, only the
    forge knows it; a branch of the bridge's own never is."""
    if context.mapping.base is not None:
        return branch == context.mapping.base
    return not branch.startswith(context.branch_prefix)


def find_proposals_of_pull_request(match: ForgeEventMatch | None) -> tuple[Proposal, ...]:
    """The proposals whose pull request the event is about."""
    if match is None or not isinstance(match.event, PullRequestEvent):
        return ()
    return tuple(
        Proposal(context.mapping.name, match.event.head)
        for context in match.contexts
        if _is_ours(match.event, context)
    )


def may_be_own_push(event: PullRequestEvent) -> bool:
    """Whether the bridge itself may have caused the event by pushing: a person's change of the
    base or of the draft state, and a decision, never are."""
    return event.action in (PullRequestAction.OPENED, PullRequestAction.SYNCHRONIZED)


def _is_ours(event: PullRequestEvent, context: MappingContext) -> bool:
    return not event.from_fork and event.head.startswith(context.branch_prefix)


def _is_worth_a_review(event: PullRequestEvent) -> bool:
    return event.action not in (PullRequestAction.MERGED, PullRequestAction.CLOSED)
