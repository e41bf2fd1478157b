from __future__ import annotations

from datetime import datetime, timedelta

from tests.integration.sample_deliveries import NOON


class ManualClock:
    """Stands at noon until a test turns it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
