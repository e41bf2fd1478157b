"""The actions of an operator on the dashboard: redeliver, reconcile, unpark, adopt a side's text. A
request becomes a delivery, so any process may dispatch it. Each action is in the audit list."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from bridge.errors import InvalidInputError, NotFoundError
from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.status.audit_log import AuditAction, AuditActor, AuditChannel, AuditLog
from bridge.status.target_status import TargetStatus
from bridge.status.target_status_store import TargetStatusStore
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryInbox
from bridge.storage.operator_delivery import OperatorRequest, build_operator_delivery

_ADOPTIONS = {
    AdoptedSide.PLATFORM: AuditAction.ADOPTED_PLATFORM,
    AdoptedSide.REPOSITORY: AuditAction.ADOPTED_REPOSITORY,
}


class OperatorActions:
    """The actions on one database. ``by`` names the operator in the audit list. Safe for threads and
    for several processes."""

    def __init__(self, database: Database, inbox: DeliveryInbox, clock: Clock) -> None:
        self._inbox = inbox
        self._statuses = TargetStatusStore(database)
        self._audit = AuditLog(database, clock)
        self._database = database
        self._clock = clock

    def redeliver(self, delivery_id: str, *, by: str) -> None:
        """Make a delivery new again. Raises NotFoundError when there is none with this id."""
        if not self._inbox.find_by_ids([delivery_id]):
            raise NotFoundError(
                "There is no delivery with this id. It may have been too old to keep."
            )
        self._audit.record(
            _on_dashboard(by),
            AuditAction.REDELIVERED,
            subject=f"delivery {delivery_id[:12]}",
            link=f"/deliveries/{delivery_id}",
        )
        self._inbox.redeliver(delivery_id)

    def request_reconcile(self, targets: Collection[Target], *, by: str) -> int:
        """Request reconciles of these targets, whatever their state; returns how many are known.
        Raises InvalidInputError where none of the targets is recorded."""
        known = self._require_known(targets)
        for status in known:
            self._record(status, AuditAction.REQUESTED_RECONCILE, by)
        return self._request(known, by)

    def adopt(self, target: Target, side: AdoptedSide, *, by: str) -> None:
        """Request a reconcile of this target in which the text of ``side`` holds, as ``sync --adopt``
        does. Raises InvalidInputError where the target is not recorded."""
        known = self._require_known([target])
        for status in known:
            self._record(status, _ADOPTIONS[side], by)
        self._request(known, by, side)

    def unpark(self, mapping: str | None = None, *, by: str) -> int:
        """Request reconciles of all parked targets, of one mapping or of all; returns how many."""
        parked = self._statuses.find_by_state(TargetState.PARKED, mapping)
        self._audit.record(_on_dashboard(by), AuditAction.REQUESTED_PARKED, mapping=mapping or "")
        return self._request(parked, by)

    def _require_known(self, targets: Collection[Target]) -> list[TargetStatus]:
        with self._database.open_read_transaction() as connection:
            known = self._statuses.find_by_targets(connection, targets)
        if not known:
            raise InvalidInputError("The bridge does not follow this prompt at this label.")
        return list(known.values())

    def _record(self, status: TargetStatus, action: AuditAction, by: str) -> None:
        name = status.name or f"prompt {status.prompt_id}"
        self._audit.record(
            _on_dashboard(by),
            action,
            mapping=status.mapping,
            subject=f"{name} ({status.label})",
            link=f"/prompts/{quote(status.mapping, safe='')}/{status.prompt_id}",
        )

    def _request(
        self, entries: Collection[TargetStatus], by: str, adopt: AdoptedSide | None = None
    ) -> int:
        now = self._clock()
        for status in entries:
            request = OperatorRequest(status.target, status.name, status.branch, adopt)
            self._inbox.put(build_operator_delivery(request, by, now))
        return len(entries)


def _on_dashboard(name: str) -> AuditActor:
    return AuditActor(name, AuditChannel.DASHBOARD)
