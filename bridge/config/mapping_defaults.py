"""The section ``defaults`` of ``bridge.yaml``: settings of every mapping that has none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def apply_mapping_defaults(values: Mapping[str, Any], defaults: object) -> dict[str, Any]:
    """The plain values of a settings file, each of its mappings with the defaults that it does not
    set itself. A section is merged setting by setting, a list is replaced. Values of another shape
    stay as they are, for the model to refuse."""
    mappings = values.get("mappings")
    if not (isinstance(defaults, dict) and isinstance(mappings, list)):
        return dict(values)
    return {**values, "mappings": [_merge(defaults, mapping) for mapping in mappings]}


def _merge(defaults: Mapping[str, Any], own: Any) -> Any:
    if not isinstance(own, dict):
        return own
    merged = {**defaults, **own}
    for name in defaults.keys() & own.keys():
        if isinstance(defaults[name], dict):
            merged[name] = _merge(defaults[name], own[name])
    return merged
