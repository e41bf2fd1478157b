"""Errands: what a forge's event asks for besides a look at a proposal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import Malformed
from bridge.forge.webhooks import ForgeEvent, PullRequestAction, PullRequestChanged, Pushed
from bridge.prompts.target import Proposal
from bridge.steps.site import Site
from bridge.storage.forge_delivery import forge_event, forge_of
from bridge.storage.inbox import Delivery


class ErrandKind(StrEnum):
    FOLLOW = "follow"  # the base branch moved: look at what changed since a commit
    REVIEW = "review"  # a pull request of somebody: say what merging it will publish


@dataclass(frozen=True, order=True)
class Errand:
    mapping: str
    kind: ErrandKind
    about: str  # FOLLOW: the branch, and the commit before or nothing; REVIEW: its number


def told_by(delivery: Delivery, sites: Mapping[str, Site]) -> tuple[ForgeEvent | None, list[Site]]:
    """A forge's event and the mappings of the repository it is about."""
    try:
        event = forge_event(delivery)
    except Malformed:
        return None, []
    if event is None:
        return None, []
    about = f"{forge_of(delivery)}:{event.repository}".casefold()
    return event, [site for site in sites.values() if site.mapping.repository.casefold() == about]


def errands_of(delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Errand, ...]:
    """What a forge's delivery asks for; nothing for PromptLayer's."""
    event, concerned = told_by(delivery, sites)
    if event is None:
        return ()
    return tuple(errand for site in concerned for errand in _errands(event, site))


def occasion_of(delivery: Delivery) -> str:
    """The same however often a delivery is dispatched, and another once it is made new again."""
    return f"{delivery.id} {delivery.changed_at}"


def delivery_of(occasion: str) -> str:
    """The id of the delivery of such an occasion."""
    return occasion.partition(" ")[0]


def _errands(event: ForgeEvent, site: Site) -> Iterator[Errand]:
    name = site.mapping.name
    if isinstance(event, Pushed):
        if _may_be_base(event.branch, site):
            yield Errand(name, ErrandKind.FOLLOW, f"{event.branch} {event.before or ''}")
    elif site.mapping.publish and not _is_ours(event, site) and _is_worth_a_review(event):
        yield Errand(name, ErrandKind.REVIEW, str(event.number))


def _may_be_base(branch: str, site: Site) -> bool:
    """Where the mapping names none, only the forge knows; the bridge's own branches never are."""
    if site.mapping.base is not None:
        return branch == site.mapping.base
    return not branch.startswith(site.branches)


def decided(delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Proposal, ...]:
    """The proposals whose pull request somebody merged, closed or opened again."""
    event, concerned = told_by(delivery, sites)
    if not isinstance(event, PullRequestChanged):
        return ()
    return tuple(
        Proposal(site.mapping.name, event.head) for site in concerned if _is_ours(event, site)
    )


def _is_ours(event: PullRequestChanged, site: Site) -> bool:
    return not event.from_fork and event.head.startswith(site.branches)


def _is_worth_a_review(event: PullRequestChanged) -> bool:
    return event.action in (
        PullRequestAction.OPENED,
        PullRequestAction.UPDATED,
        PullRequestAction.REOPENED,
    )
