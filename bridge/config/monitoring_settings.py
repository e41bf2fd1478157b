"""The settings of logs, metrics and request limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from bridge.config.setting_types import NonEmptySecret, SettingsSection
from bridge.config.unresolved_secret import UnresolvedSecret


def _network(value: str) -> str:
    """A network as servers parse it: 10.0.0.1/8 has bits behind the prefix and matches no
    address."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("expected an address or a network, such as 10.0.0.0/8") from None
    return str(network)


NetworkSetting = Annotated[str, AfterValidator(_network)]


class LogSettings(SettingsSection):
    """What `serve` and `work` write to standard error."""

    format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object a line."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is written."
    )


class MetricsSettings(SettingsSection):
    """Who may read `/metrics`."""

    token: NonEmptySecret | None = Field(
        None, description="Has to be shown as a bearer token; without one, all may read."
    )


class LimitsSettings(SettingsSection):
    """How often somebody may be refused before they have to wait."""

    refused_per_minute: int = Field(
        600, ge=1, description="Refused requests of one address; accepted ones are never limited."
    )
    proxies: tuple[NetworkSetting, ...] = Field(
        ("127.0.0.1", "::1"),
        description="Addresses and networks that say truly whom a request comes from.",
    )


def find_secrets(value: object) -> Iterator[str]:
    """Every secret with a value in a setting and below it, and the passwords in addresses."""
    if isinstance(value, UnresolvedSecret):
        return
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield text
        if password := _password(text):
            yield password
    elif isinstance(value, BaseModel):
        for inner in vars(value).values():
            yield from find_secrets(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from find_secrets(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from find_secrets(inner)


def _password(address: str) -> str | None:
    try:
        found = urlsplit(address).password
    except ValueError:
        return None
    return unquote(found) if found else None
