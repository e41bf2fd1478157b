"""The types of values in ``bridge.yaml``."""

from __future__ import annotations

import re
import warnings
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    WrapValidator,
)

from bridge.config.unresolved_secret import skip_unresolved_secret
from bridge.prompts.secret_scan import check_allowed

_DURATION = re.compile(r"(\d{1,9})\s*(ms|s|m|h|d)")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class SettingsSection(BaseModel):
    """The base of all sections: unknown keys are mistakes, values are immutable, secrets are hidden
    in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def parse_duration(text: str) -> timedelta:
    """A duration with its unit. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError("expected a duration with its unit, such as 30s, 10m, 1h or 7d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _duration(value: object) -> object:
    return value if isinstance(value, timedelta) else parse_duration(str(value))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("expected a duration longer than 0")
    return value


_DurationText = WithJsonSchema(
    {"type": "string", "pattern": r"^\d+\s*(ms|s|m|h|d)$", "examples": ["1h"]}
)

Duration = Annotated[timedelta, BeforeValidator(_duration), _DurationText]
PositiveDuration = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_positive), _DurationText
]


def validate_web_address(value: str) -> str:
    """An address of pages or an API, without a slash at its end. Raises ValueError for other
    text."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or _BLANK.search(value):
        raise ValueError("expected an address with its scheme, such as https://git.example.com")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("expected an address without user, ? and #")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("expected a port from 1 to 65535 in the address") from None
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(validate_web_address)]


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("expected a secret, got an empty text (is its variable empty?)")
    return value


NonEmptySecret = Annotated[
    SecretStr, AfterValidator(_not_empty), WrapValidator(skip_unresolved_secret)
]


class WebhookSourceSettings(SettingsSection):
    """A side whose webhooks come in at the bridge's server."""

    webhook_secret: NonEmptySecret | None = Field(
        None, description="The secret set for the webhook there; without one it is not listened to."
    )
    webhook_secrets: tuple[NonEmptySecret, ...] = Field(
        (), description="Several at once, while a secret is being replaced."
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every accepted webhook secret."""
        one = (self.webhook_secret,) if self.webhook_secret else ()
        return tuple(secret.get_secret_value() for secret in (*one, *self.webhook_secrets))


def _usable(entry: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # a pattern whose meaning will change
        try:
            check_allowed(entry)
        except FutureWarning as warning:
            raise ValueError(f"expected a plainer regular expression: {warning}") from None
    return entry


class SecretScanSettings(SettingsSection):
    """Prompts that hold a secret go nowhere; what only looks like one can be allowed."""

    allow: tuple[Annotated[str, AfterValidator(_usable)], ...] = Field(
        (), description="Whole strings, or /regular expressions/ that fit the whole string."
    )
