"""What the books keep of a target as it was seen."""

from __future__ import annotations

from bridge.prompts.outcome import Sight
from bridge.steps.eye import Seen


def sight(seen: Seen) -> Sight:
    """What the books keep of a target as it was seen."""
    change = seen.edit.change if seen.edit else None
    held = change.prompt if change else (seen.file.prompt if seen.file else None)
    path = change.path if change else (seen.file.path if seen.file else None)
    return Sight(
        target=seen.target,
        standing=seen.comparison.standing,
        reason=seen.comparison.reason,
        name=held.name if held else None,
        path=path,
        version=held.version if held else None,
        proposed=seen.edit is not None,
        elsewhere=seen.elsewhere,
        absent=seen.absent,
        not_followed=seen.not_followed,
        conflict=change is not None and change.is_conflict,
        unpublished=change is not None and change.merges,
    )
