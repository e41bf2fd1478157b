"""The states of a delivery."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """The state of a delivery, as the database stores it and people read it."""

    NEW = "new"  # its work is not enqueued yet
    DISPATCHED = "dispatched"  # its work is enqueued
    DONE = "done"
    IGNORED = "ignored"  # asks for no work
    PARKED = "parked"  # needs a person; the outcome says why
