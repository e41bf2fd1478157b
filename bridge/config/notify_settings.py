"""The settings of notifications about what needs a person."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.config.setting_types import NonEmptySecret, PositiveDuration, SettingsSection


class NotifyKind(StrEnum):
    """The states of prompts and the kinds of problems that can be announced."""

    PARKED = "parked"
    CONFLICT = "conflict"
    PERSON = "needs a person"
    DECLINED = "declined"
    FILE = "mistake in a file"
    SWEEP = "not compared"


def _webhook_address(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address with its scheme, such as https://hooks.example.com/…")
    return value


WebhookAddress = Annotated[NonEmptySecret, AfterValidator(_webhook_address)]


class NotifyWebhookSettings(SettingsSection):
    """One receiver of notifications."""

    url: WebhookAddress = Field(description="Where to post; hidden, as it may hold a token.")
    format: Literal["json", "slack"] = Field(
        "json", description="A signed JSON document, or the text of an incoming webhook of Slack's."
    )
    secret: NonEmptySecret | None = Field(
        None, description="Signs the document; required with `format: json`."
    )

    @model_validator(mode="after")
    def _signed(self) -> NotifyWebhookSettings:
        if self.format == "json" and self.secret is None:
            raise ValueError("expected secret, with which the document is signed")
        return self


class NotifySettings(SettingsSection):
    """Who hears of what needs a person."""

    webhooks: tuple[NotifyWebhookSettings, ...] = Field((), description="The receivers.")
    interval: PositiveDuration = Field(
        timedelta(minutes=10), description="The least time between two messages to one receiver."
    )
    kinds: tuple[NotifyKind, ...] = Field(tuple(NotifyKind), description="What is announced.")
