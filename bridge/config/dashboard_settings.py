"""The settings of the dashboard: its address, who may read it, and who may act."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, WrapValidator, model_validator

from bridge.config.setting_types import (
    NonEmptySecret,
    PositiveDuration,
    SettingsSection,
    validate_web_address,
)
from bridge.config.unresolved_secret import skip_unresolved_secret

EVERYBODY = "*"  # everybody whom the provider signs in
_SHORTEST_SECRET = 16  # characters; anybody may guess at a sign-in
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _public_address(value: str) -> str:
    address = validate_web_address(value)
    if urlsplit(address).path:
        raise ValueError("expected an address without a path: the dashboard stands at its root")
    return address


def _safe_issuer(value: str) -> str:
    parts = urlsplit(validate_web_address(value))
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("expected https: who signs in is told by this address alone")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SHORTEST_SECRET:
        raise ValueError(
            f"expected at least {_SHORTEST_SECRET} characters, such as `openssl rand -hex 24` makes"
        )
    return value


SignInSecret = Annotated[
    NonEmptySecret, AfterValidator(_long_enough), WrapValidator(skip_unresolved_secret)
]


class OidcSettings(SettingsSection):
    """Sign-in by an OpenID Connect provider."""

    issuer: Annotated[str, AfterValidator(_safe_issuer)] = Field(
        description="The provider's address, exactly as its discovery document says it."
    )
    client_id: str = Field(description="As the provider shows it.")
    client_secret: NonEmptySecret = Field(description="As the provider shows it.")
    scopes: tuple[str, ...] = Field(
        ("openid", "email", "profile"), description="What the provider is asked for."
    )
    claim: str = Field("groups", description="Where the provider tells a person's groups.")
    viewers: tuple[str, ...] = Field(
        (), description="Who may look: e-mails and groups; * is whoever signs in."
    )
    operators: tuple[str, ...] = Field((), description="Who may look and act, in the same words.")

    @model_validator(mode="after")
    def _somebody(self) -> OidcSettings:
        if not (self.viewers or self.operators):
            raise ValueError("expected viewers or operators: nobody may sign in otherwise")
        if "openid" not in self.scopes:
            raise ValueError("scopes: expected openid among them")
        return self


class DashboardSettings(SettingsSection):
    """The pages at ``/``: what is in step, what waits, and why."""

    url: Annotated[str, AfterValidator(_public_address)] | None = Field(
        None, description="Its public address; needed for oidc, and for cookies over TLS only."
    )
    secret: SignInSecret | None = Field(None, description="Signs a person in who may look.")
    operator_secret: SignInSecret | None = Field(
        None, description="Signs a person in who may look and act."
    )
    oidc: OidcSettings | None = Field(None, description="Sign-in by OpenID Connect.")
    session: PositiveDuration = Field(
        timedelta(hours=12), description="After so long, one has to sign in again."
    )

    @model_validator(mode="after")
    def _a_way_in(self) -> DashboardSettings:
        if not (self.secret or self.operator_secret or self.oidc):
            raise ValueError("expected secret, operator_secret or oidc: nobody could sign in")
        if self.secret is not None and self.secret == self.operator_secret:
            raise ValueError("operator_secret: expected another one than secret")
        if self.oidc is not None and self.url is None:
            raise ValueError("url: needed for oidc, which leads people back to this address")
        return self
