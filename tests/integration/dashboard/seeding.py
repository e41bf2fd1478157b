"""Books as a busy afternoon leaves them: every state once or more, and the way of one prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.books.entry import Entry, Telling
from bridge.books.moments import Moment, MomentKind, by_identity, note
from bridge.books.standings import Standings
from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from tests.integration.dashboard.visiting import Place
from tests.integration.deliveries import delivery_of, version_created

MAPPING = "support"
BRANCH = "promptlayer/support/latest/17"
URL = "https://forge.example/acme/bot/pull/12"
REASONS = {
    State.IN_STEP: "both sides hold the same",
    State.WAITING: "a look is due",
    State.OPEN: "version 9 is proposed",
    State.DECLINED: "this content was declined",
    State.PERSON: "the repository is ahead",
    State.PARKED: "the prompt holds what looks like a secret",
    State.CONFLICT: "both sides changed the same part",
    State.NOT_FOLLOWED: "mapping support no longer follows it (prompts: supprt/**)",
}


def entry(place: Place, number: int, state: State, name: str, label: str = "latest") -> Entry:
    then = place.clock.now - timedelta(minutes=7 * number)
    opened = state in (State.OPEN, State.DECLINED)
    return Entry(
        MAPPING,
        number,
        label,
        name,
        f"promptlayer/support/{label}/{number}",
        state,
        REASONS[state],
        then,
        place.clock.now,
        path=f"prompts/{label}/{name}.yaml",
        version=number,
        settled_state=state,
        settled_since=then,
        pull_request=URL if opened else None,
        number=12 if opened else None,
        pull_request_state={State.OPEN: "open", State.DECLINED: "closed"}.get(state),
    )


def write(place: Place, entries: Iterable[Entry]) -> None:
    with place.database.transaction() as connection:
        Standings(place.database).write(connection, entries)


def one_of_each(place: Place) -> None:
    """Prompts of which each is in another state, named after it."""
    write(
        place,
        (
            entry(place, number, state, f"support/{state.name.lower()}")
            for number, state in enumerate(State, start=1)
        ),
    )


def way_of_a_prompt(place: Place) -> str:
    """Prompt 17 at ``latest`` and its steps up to an open pull request; returns the delivery."""
    delivery = delivery_of(version_created(9), place.clock.now - timedelta(seconds=4))
    place.inbox.put(delivery)
    reply = entry(place, 17, State.OPEN, "support/reply")
    write(place, [replace(reply, branch=BRANCH, since=place.clock.now)])
    target = Target(MAPPING, 17, "latest")
    Ledger(place.database, place.clock).ask([Ask(Proposal(MAPPING, BRANCH), target, delivery.id)])
    write(place, [replace(reply, branch=BRANCH, since=place.clock.now)])
    with place.database.transaction() as connection:
        note(connection, place.database, by_identity(_steps(place.clock.now, delivery.id)))
    return delivery.id


def _steps(now: datetime, delivery: str) -> list[Telling]:
    saved = Moment(
        MomentKind.SAVED,
        MAPPING,
        17,
        "latest",
        now - timedelta(seconds=5),
        text="“Shorter answers”",
        arrived_at=now - timedelta(seconds=4),
        version=9,
        who="Jane Doe",
        delivery_id=delivery,
    )
    opened = Moment(
        MomentKind.OPENED,
        MAPPING,
        17,
        "latest",
        now,
        version=9,
        number=12,
        url=URL,
        branch=BRANCH,
        delivery_id=delivery,
        seconds=4.0,
    )
    looked = replace(saved, kind=MomentKind.LOOKED, at=now, arrived_at=None, who=None, text="")
    return [(saved, (1,)), (looked, (2,)), (opened, (3,))]
