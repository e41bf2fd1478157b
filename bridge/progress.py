"""The progress of work that takes a while, as a command shows it."""

from __future__ import annotations

from collections.abc import Callable

# Takes a name for the work under way, how many units are done, and of how many (None: unknown).
ProgressCallback = Callable[[str, int, int | None], None]
