"""What a person may ask of a running bridge: look again. It becomes a delivery like any other, so
that any process takes it up, and the list of deliveries says who asked for it."""

from __future__ import annotations

from collections.abc import Collection

from bridge.books.entry import Entry
from bridge.books.standings import Standings
from bridge.errors import Rejected
from bridge.prompts.state import State
from bridge.prompts.target import Target
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, Inbox
from bridge.storage.person_delivery import Request, delivery_of


class Actions:
    """Safe for threads and for several processes."""

    def __init__(self, database: Database, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._standings = Standings(database)
        self._database = database
        self._clock = clock

    def redeliver(self, ids: Collection[str]) -> int:
        """Make these deliveries new again; returns how many there were."""
        return self._inbox.set_state(ids, DeliveryState.NEW)

    def look_again(self, targets: Collection[Target], *, by: str) -> int:
        """Look at these targets as soon as may be, whatever the books say of them; returns at how
        many. ``by`` is who asks, for the list of deliveries. Raises Rejected where the books know
        none of them."""
        with self._database.reading() as connection:
            known = self._standings.entries(connection, targets)
        if not known:
            raise Rejected("The bridge does not follow this prompt at this label.")
        return self._ask(known.values(), by)

    def unpark(self, mapping: str | None = None, *, by: str) -> int:
        """Look again at all that is parked, of one mapping or of all; returns at how many."""
        return self._ask(self._standings.in_state(State.PARKED, mapping), by)

    def _ask(self, entries: Collection[Entry], by: str) -> int:
        now = self._clock()
        for entry in entries:
            request = Request(entry.target, entry.name, entry.branch)
            self._inbox.put(delivery_of(request, by, now))
        return len(entries)
