"""Refuse to write for a mapping that its settings pause."""

from __future__ import annotations

from bridge.config.mapping_settings import MappingSettings
from bridge.errors import InvalidInputError


def reject_paused_mapping(mapping: MappingSettings) -> None:
    """Raise InvalidInputError for a mapping with ``pause: true``."""
    if mapping.pause:
        text = mapping.explain_pause()
        raise InvalidInputError(f"{text[0].upper()}{text[1:]}.")
