"""The ``serve`` section of ``bridge.yaml``: which applications read what was merged."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bridge.config.setting_types import NonEmptySecret, PositiveDuration, SettingsSection
from bridge.prompts.glob import check_glob

_Item = TypeVar("_Item")
_ONE_AT_LEAST: dict[str, Any] = {"minItems": 1}
_SIZE = re.compile(r"(\d{1,12})\s*(KiB|MiB|GiB)")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _parse_size(value: object) -> object:
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found and int(found[1]):
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("expected a size with its unit, such as 512MiB or 1GiB")


Size = Annotated[
    int,
    BeforeValidator(_parse_size),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*(KiB|MiB|GiB)$", "examples": ["1GiB"]}),
]


def _check_glob(value: str) -> str:
    check_glob(value)
    return value


def _check_label(value: str) -> str:
    if not value.strip():
        raise ValueError('expected a label, or "*" for every label and version')
    return value


def _require_one(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not values:
        raise ValueError("expected at least one")
    return values


class LogQueueSettings(SettingsSection):
    """How long, and how many bytes of, applications' logs wait for PromptLayer."""

    keep: PositiveDuration = Field(
        timedelta(hours=24), description="A log that PromptLayer did not take by then is parked."
    )
    limit: Size = Field(1 << 30, description="A full queue lets the application wait instead.")


class ApplicationSettings(SettingsSection):
    """An application: its tokens, and what it may read."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    tokens: Annotated[tuple[NonEmptySecret, ...], AfterValidator(_require_one)] = Field(
        json_schema_extra=_ONE_AT_LEAST,
        description="Each of them is accepted; name them as ${BOT_TOKEN}.",
    )
    workspace: str | None = Field(None, description="Named where there are several workspaces.")
    prompts: tuple[Annotated[str, AfterValidator(_check_glob)], ...] = ("**",)
    labels: Annotated[
        tuple[Annotated[str, AfterValidator(_check_label)], ...], AfterValidator(_require_one)
    ] = Field(
        ("*",),
        json_schema_extra=_ONE_AT_LEAST,
        description='Labels it may read, the first by default; "*": every label and version.',
    )
    log: Literal["queue", "through"] = Field(
        "queue", description="Logs are queued, or passed through while the application waits."
    )
    relay: bool = Field(
        False, description="Pass all else of PromptLayer's API through with the bridge's key."
    )


class ServeSettings(SettingsSection):
    """Applications read what was merged through the bridge."""

    stale: PositiveDuration = Field(
        timedelta(days=7), description="A release that nothing confirmed for so long ends."
    )
    log: LogQueueSettings = LogQueueSettings.model_validate({})
    applications: Annotated[tuple[ApplicationSettings, ...], AfterValidator(_require_one)] = Field(
        json_schema_extra=_ONE_AT_LEAST
    )
