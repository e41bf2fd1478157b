"""Fold the reconciles in a timeline, so that the changes between them are seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from bridge.status.history_events import HistoryEventKind
from bridge.status.target_queries import TimelineStep


@dataclass(frozen=True)
class TimelineFold:
    """Steps in a row, the newest first: reconciles, which are folded, or other steps."""

    steps: tuple[TimelineStep, ...]
    is_folded: bool


def fold_timeline(steps: Iterable[TimelineStep]) -> Iterator[TimelineFold]:
    """The steps in their order, with reconciles in a row as one fold."""
    for is_reconcile, run in groupby(
        steps, lambda step: step.event.kind is HistoryEventKind.RECONCILED
    ):
        yield TimelineFold(tuple(run), is_reconcile)
