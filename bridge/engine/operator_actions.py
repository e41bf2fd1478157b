"""What a person may ask of a running bridge: look again. It becomes a delivery like any other, so
that any process takes it up, and the list of deliveries says who asked for it."""

from __future__ import annotations

from collections.abc import Collection

from bridge.errors import InvalidInputError
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.status.target_status import TargetStatus
from bridge.status.target_status_store import TargetStatusStore
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryInbox, DeliveryState
from bridge.storage.operator_delivery import OperatorRequest, build_operator_delivery


class OperatorActions:
    """Safe for threads and for several processes."""

    def __init__(self, database: Database, inbox: DeliveryInbox, clock: Clock) -> None:
        self._inbox = inbox
        self._statuses = TargetStatusStore(database)
        self._database = database
        self._clock = clock

    def redeliver(self, ids: Collection[str]) -> int:
        """Make these deliveries new again; returns how many there were."""
        return self._inbox.set_state(ids, DeliveryState.NEW)

    def request_reconcile(self, targets: Collection[Target], *, by: str) -> int:
        """Look at these targets as soon as may be, whatever the books say of them; returns at how
        many. ``by`` is who asks, for the list of deliveries. Raises InvalidInputError where the
        books know none of them."""
        with self._database.open_read_transaction() as connection:
            known = self._statuses.find_by_targets(connection, targets)
        if not known:
            raise InvalidInputError("The bridge does not follow this prompt at this label.")
        return self._request(known.values(), by)

    def unpark(self, mapping: str | None = None, *, by: str) -> int:
        """Look again at all that is parked, of one mapping or of all; returns at how many."""
        return self._request(self._statuses.find_by_state(TargetState.PARKED, mapping), by)

    def _request(self, entries: Collection[TargetStatus], by: str) -> int:
        now = self._clock()
        for status in entries:
            request = OperatorRequest(status.target, status.name, status.branch)
            self._inbox.put(build_operator_delivery(request, by, now))
        return len(entries)
