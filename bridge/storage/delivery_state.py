"""How far a delivery has come."""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    NEW = "new"  # its targets are not enqueued yet
    DISPATCHED = "dispatched"  # its targets are enqueued
    DONE = "done"
    IGNORED = "ignored"  # of a kind that concerns no prompt, or that is not known
    PARKED = "parked"  # a person has to look; the outcome says why
