"""The setting that a person meant who wrote one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

_CLOSEST = 0.6  # of 1: how alike two names have to be


def suggest_setting(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    """``; did you mean NAME?`` for the setting of the same section whose name is closest to the
    unknown one at ``location``; empty where none is close."""
    models = {model}
    for part in location[:-1]:
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        models = {inner for field in fields for inner in _list_models(field.annotation)} or models
    names = sorted({name for one in models for name in one.model_fields})
    close = difflib.get_close_matches(str(location[-1]), names, 1, _CLOSEST)
    return f"; did you mean {close[0]}?" if close else ""


def _list_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, however deep in lists, dictionaries and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _list_models(inner)
