"""Record unexpected errors as problems on the dashboard, and retry what raised them with growing pauses.
An error in one step never stops the others."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from bridge.errors import TransientError
from bridge.status.problems import ANY_MAPPING, ProblemRecords
from bridge.storage.delivery_state import DeliveryState
from bridge.storage.inbox import Clock, Delivery, DeliveryInbox

log = logging.getLogger("bridge.failures")

MOST_ATTEMPTS = 9  # in a row; after them, only the next resync, event or redelivery tries again
LONGEST_PAUSE = 300.0  # seconds
_PACKAGE_FOLDER = Path(__file__).parents[1]
DISPATCH = "dispatch"

DeliveryResult = TypeVar("DeliveryResult")


class FailureRecords:
    """Record the unexpected errors of one process, by mapping and by subject: the step that failed."""

    def __init__(self, problems: ProblemRecords, inbox: DeliveryInbox, clock: Clock) -> None:
        self._problems = problems
        self._inbox = inbox
        self._clock = clock
        self._postponed: dict[
            str, tuple[int, datetime]
        ] = {}  # by delivery id: attempts, and when the next is due
        self._recorded_subjects: set[str] | None = None  # of deliveries; None: not read yet

    def record(self, mapping: str, subject: str, error: Exception) -> float | None:
        """Record an error. Returns after how many seconds to try again; None after nine in a row."""
        log.error("%s of %s failed", subject, mapping or "the bridge", exc_info=error)
        attempts = self._problems.record_exception(mapping, subject, describe_exception(error))
        return calculate_growing_pause(attempts) if attempts < MOST_ATTEMPTS else None

    def resolve(self, mapping: str, subject: str) -> None:
        """Resolve the problem of a subject, as it succeeded."""
        self._problems.resolve(mapping, subject)

    def select_due(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """The deliveries without a pause that lasts."""
        now = self._clock()
        return [
            d for d in deliveries if d.id not in self._postponed or self._postponed[d.id][1] <= now
        ]

    def read_each(
        self, deliveries: Iterable[Delivery], read: Callable[[Delivery], DeliveryResult]
    ) -> dict[str, DeliveryResult]:
        """Call ``read`` with each delivery; returns the results by delivery id. A delivery that raises
        an unexpected error is postponed, and parked after nine attempts; the others are read all
        the same. Raises the TransientError of ``read``, which is no fault of the delivery."""
        made: dict[str, DeliveryResult] = {}
        for delivery in deliveries:
            try:
                made[delivery.id] = read(delivery)
            except TransientError:
                raise
            except Exception as error:
                self._postpone_delivery(delivery, error)
            else:
                self._postponed.pop(delivery.id, None)
                self._resolve_delivery(_subject_of(delivery))
        return made

    def _resolve_delivery(self, subject: str) -> None:
        """Resolve the problem of a delivery, also one that an earlier process recorded. The open
        problems are read once for all deliveries."""
        if self._recorded_subjects is None:
            self._recorded_subjects = {
                problem.subject for problem in self._problems.list_open(ANY_MAPPING)
            }
        if subject in self._recorded_subjects:
            self.resolve(ANY_MAPPING, subject)
            self._recorded_subjects.discard(subject)

    def _postpone_delivery(self, delivery: Delivery, error: Exception) -> None:
        self.record(ANY_MAPPING, _subject_of(delivery), error)
        if self._recorded_subjects is not None:
            self._recorded_subjects.add(_subject_of(delivery))
        attempts = self._postponed.get(delivery.id, (0, self._clock()))[0] + 1
        until = self._clock() + timedelta(seconds=calculate_growing_pause(attempts))
        self._postponed[delivery.id] = attempts, until
        parked = attempts >= MOST_ATTEMPTS
        if parked:
            self._postponed.pop(delivery.id)
        state = DeliveryState.PARKED if parked else DeliveryState.NEW
        again = "redeliver it once the bridge is mended" if parked else "it is tried again"
        message = f"{describe_exception(error)} {again[0].upper()}{again[1:]}."
        self._inbox.set_state([delivery.id], state, message, only_from=[DeliveryState.NEW])


def _subject_of(delivery: Delivery) -> str:
    return f"{DISPATCH} {delivery.id[:12]}"


def calculate_growing_pause(attempts: int) -> float:
    """Seconds until the next attempt: doubling from two, up to five minutes."""
    return float(min(2.0**attempts, LONGEST_PAUSE))


def describe_exception(error: Exception) -> str:
    """The type of an error and the line of the bridge that raised it. Its message is left out, as it
    may contain a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE_FOLDER)]
    where = ""
    if ours:
        place = Path(ours[-1].filename).relative_to(_PACKAGE_FOLDER.parent).as_posix()
        where = f" at {place}:{ours[-1].lineno}"
    return f"A mistake in the bridge ({type(error).__name__}{where}); its log says more."
