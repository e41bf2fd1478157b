"""The dashboard's settings: what is accepted, and how a mistake is told."""

from __future__ import annotations

import pytest

from bridge.config.bridge_config import BridgeConfig, parse_config
from bridge.config.monitoring_settings import find_secrets
from bridge.errors import ConfigError

SECRET = "s" * 16
OIDC = "oidc: {issuer: https://id.example.com, client_id: bridge, client_secret: shh, viewers: [staff]}"


def read(*lines: str) -> BridgeConfig:
    dashboard = "".join(f"\n  {line}" for line in lines)
    text = f"""\
promptlayer: {{api_key: the-api-key, webhook_secret: whsec}}
forges:
  local: {{type: local, root: forge}}
mappings:
  - {{name: support, prompts: ["**"], repository: local:acme/bot}}
dashboard:{dashboard}
"""
    return parse_config(text, "bridge.yaml", {})


def test_a_secret_is_enough() -> None:
    dashboard = read(f"operator_secret: {SECRET}").dashboard

    assert dashboard is not None
    assert dashboard.session.total_seconds() == 12 * 3600


def test_a_provider_is_enough_and_nobody_is_let_in_by_itself() -> None:
    dashboard = read("url: https://bridge.example.com/", OIDC).dashboard

    assert dashboard is not None
    assert dashboard.url == "https://bridge.example.com"
    assert dashboard.oidc is not None
    assert (dashboard.oidc.viewers, dashboard.oidc.operators) == (("staff",), ())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["session: 1h"], "bridge.yaml:6: dashboard: expected secret, operator_secret or oidc"),
        (["secret: short"], "bridge.yaml:7: dashboard.secret: expected at least 16 characters"),
        (
            [f"secret: {SECRET}", f"operator_secret: {SECRET}"],
            "dashboard: operator_secret: expected another one than secret",
        ),
        ([OIDC], "dashboard: url: needed for oidc"),
        (
            ["url: https://b.example/bridge", f"secret: {SECRET}"],
            "bridge.yaml:7: dashboard.url: expected an address without a path",
        ),
        (
            ["url: bridge.example.com", f"secret: {SECRET}"],
            "dashboard.url: expected an address with its scheme, such as https://",
        ),
        (
            ["url: https://b.example", OIDC.replace("https://id", "http://id")],
            "dashboard.oidc.issuer: expected https",
        ),
        (
            ["url: https://b.example", OIDC.replace("viewers: [staff]", "viewers: []")],
            "dashboard.oidc: expected viewers or operators",
        ),
        (
            ["url: https://b.example", OIDC.replace("viewers:", "scopes: [email], viewers:")],
            "dashboard.oidc: scopes: expected openid among them",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_without_a_secret(lines: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*lines)

    assert told in str(caught.value)
    assert SECRET not in str(caught.value)


def test_every_secret_of_the_configuration_is_found() -> None:
    config = read(f"secret: {SECRET}", "url: https://b.example", OIDC)

    assert set(find_secrets(config)) == {"the-api-key", "whsec", SECRET, "shh"}
    assert SECRET not in repr(config)
