"""The actions of an operator: redeliver, reconcile, unpark. A request becomes a delivery, so any process
may dispatch it, and the list of deliveries names who asked for it."""

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
    """The actions on one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, inbox: DeliveryInbox, clock: Clock) -> None:
        self._inbox = inbox
        self._statuses = TargetStatusStore(database)
        self._database = database
        self._clock = clock

    def redeliver(self, ids: Collection[str]) -> int:
        """Make these deliveries new again; returns how many there were."""
        return self._inbox.set_state(ids, DeliveryState.NEW)

    def request_reconcile(self, targets: Collection[Target], *, by: str) -> int:
        """Request reconciles of these targets, whatever their state; returns how many are known.
        ``by`` names the operator in the list of deliveries. Raises InvalidInputError where none of
        the targets is recorded."""
        with self._database.open_read_transaction() as connection:
            known = self._statuses.find_by_targets(connection, targets)
        if not known:
            raise InvalidInputError("The bridge does not follow this prompt at this label.")
        return self._request(known.values(), by)

    def unpark(self, mapping: str | None = None, *, by: str) -> int:
        """Request reconciles of all parked targets, of one mapping or of all; returns how many."""
        return self._request(self._statuses.find_by_state(TargetState.PARKED, mapping), by)

    def _request(self, entries: Collection[TargetStatus], by: str) -> int:
        now = self._clock()
        for status in entries:
            request = OperatorRequest(status.target, status.name, status.branch)
            self._inbox.put(build_operator_delivery(request, by, now))
        return len(entries)
