"""Sign-in by a provider over real HTTP: who is let in, and which ID tokens are believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from bridge.config.dashboard_settings import DashboardSettings, OidcSettings
from bridge.web.oidc_provider import find_role
from bridge.web.session import VisitorRole
from tests.integration.dashboard.dashboard_browser import (
    HOST,
    DashboardBrowser,
    DashboardEnvironment,
    InProcess,
    text_of,
)
from tests.standins.oidc import CLIENT, SECRET, OidcProvider
from tests.standins.serve_app import serve

JANE = {"sub": "1", "email": "jane@example.com", "email_verified": True}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, OidcProvider]]:
    provider = OidcProvider()
    with serve(provider.app()) as url:
        provider.issuer = url
        yield url, provider


@pytest.fixture
def provider(address: tuple[str, OidcProvider]) -> OidcProvider:
    """A provider that has been told nothing yet."""
    url, served = address
    vars(served).update(vars(OidcProvider(issuer=url, person=dict(JANE), own=served.own)))
    return served


def settings_for(provider: OidcProvider, **changes: Any) -> DashboardSettings:
    oidc = OidcSettings(
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        **{"viewers": ("jane@example.com",), "operators": ("prompt-keepers",), **changes},
    )
    return DashboardSettings.model_validate({"url": HOST, "oidc": oidc})


@pytest.fixture
def browser(environment: DashboardEnvironment, provider: OidcProvider) -> DashboardBrowser:
    return opened(environment, settings_for(provider))


def opened(environment: DashboardEnvironment, settings: DashboardSettings) -> DashboardBrowser:
    """A browser that reaches the dashboard, and the provider over the network."""
    client = httpx2.Client(
        mounts={HOST: InProcess(environment.app(settings))}, base_url=HOST, follow_redirects=True
    )
    environment.opened.append(client)
    return DashboardBrowser(client)


def test_a_viewer_comes_back_from_the_provider_to_where_they_wanted_to_go(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    asked = browser.get("/deliveries?state=new")
    assert "Sign in with your organisation" in text_of(asked)
    assert "Shared secret" not in text_of(asked)

    arrived = browser.get("/sign-in/oidc")

    assert str(arrived.url) == f"{HOST}/deliveries?state=new"
    assert "jane@example.com · viewer" in text_of(arrived)
    (sent,) = provider.asked
    assert (sent["code_challenge_method"], sent["response_type"]) == ("S256", "code")
    assert sent["redirect_uri"] == f"{HOST}/sign-in/oidc/callback"


def test_a_member_of_the_operators_group_may_act(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    provider.person = JANE | {"groups": ["staff", "prompt-keepers"]}
    browser.get("/deliveries")

    assert "· operator" in text_of(browser.get("/sign-in/oidc"))


def test_groups_that_the_provider_tells_only_when_asked_count(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    provider.only_when_asked = {"groups": ["prompt-keepers"]}
    browser.get("/deliveries")

    assert "· operator" in text_of(browser.get("/sign-in/oidc"))


@pytest.mark.parametrize(
    ("person", "hint"),
    [
        ({"sub": "2", "email": "eve@example.com", "email_verified": True}, False),
        ({"sub": "2", "email": "jane@example.com", "email_verified": False}, True),
        ({"sub": "2", "email": "jane@example.com"}, True),
        ({"sub": "jane@example.com"}, False),
        ({"sub": "2", "groups": "jane@example.com"}, False),
        ({"sub": "2", "preferred_username": "jane@example.com"}, False),
    ],
    ids=["another", "unverified", "not said", "by name", "as a group", "by user name"],
)
def test_who_is_on_no_list_sees_nothing(
    browser: DashboardBrowser, provider: OidcProvider, person: dict[str, Any], hint: bool
) -> None:
    provider.person = person

    answer = browser.get("/sign-in/oidc")

    assert answer.status_code == 403
    assert "may not see this dashboard" in text_of(answer)
    assert ("does not say that this e-mail is verified" in text_of(answer)) is hint
    assert browser.get("/deliveries").url.path == "/sign-in"


KNOWN_TO_ALL = OctKey.import_key("k" * 40, {"kid": "known"})

UNBELIEVABLE: dict[str, Any] = {
    "another nonce": {"spoil": lambda claims: claims.update(nonce="another")},
    "no nonce": {"spoil": lambda claims: claims.pop("nonce")},
    "another audience": {"spoil": lambda claims: claims.update(aud="another")},
    "another audience, for us": {"spoil": lambda claims: claims.update(aud="another", azp=CLIENT)},
    "no audience": {"spoil": lambda claims: claims.pop("aud")},
    "another issuer": {"spoil": lambda claims: claims.update(iss="https://evil.example")},
    "expired": {"spoil": lambda claims: claims.update(exp=int(time.time()) - 3600)},
    "of the future": {"spoil": lambda claims: claims.update(nbf=int(time.time()) + 3600)},
    "no end": {"spoil": lambda claims: claims.pop("exp")},
    "another hash": {"spoil": lambda claims: claims.update(at_hash="x" * 22)},
    "another key": {"key": RSAKey.generate_key(2048)},
    "another key's name": {"headers": {"kid": "nobody"}},
    "the client's secret as key": {
        "key": OctKey.import_key(SECRET * 2),
        "headers": {"alg": "HS256"},
    },
    "a key that everybody can read": {
        "key": KNOWN_TO_ALL,
        "published": (KNOWN_TO_ALL,),
        "headers": {"alg": "HS256", "kid": "known"},
    },
    "no ID token": {"leave_out": ("id_token",)},
}


@pytest.mark.parametrize("what", UNBELIEVABLE)
def test_an_id_token_that_proves_nothing_lets_nobody_in(
    browser: DashboardBrowser, provider: OidcProvider, what: str
) -> None:
    vars(provider).update(UNBELIEVABLE[what])

    answer = browser.get("/sign-in/oidc")

    assert answer.status_code == 403
    assert "The sign-in could not be proved" in text_of(answer)
    assert browser.get("/deliveries").url.path == "/sign-in"


def test_a_cookie_copied_before_signing_out_or_in_again_opens_nothing(
    browser: DashboardBrowser, provider: OidcProvider, environment: DashboardEnvironment
) -> None:
    browser.get("/sign-in/oidc")
    first = browser.cookie()
    browser.get("/sign-in/oidc")
    second = browser.cookie()
    thief = opened(environment, settings_for(provider))
    token = browser.token(browser.get("/queue"))

    browser.post("/sign-out", {"token": token})

    for cookie in (first, second):
        thief.client.cookies.clear()
        thief.client.cookies.set("bridge", cookie, domain="bridge.test", path="/")
        assert thief.get("/queue").url.path == "/sign-in"


def test_a_new_key_of_the_provider_is_learned(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    browser.get("/sign-in/oidc")
    browser.client.cookies.clear()
    provider.turn_key()

    assert browser.get("/sign-in/oidc").status_code != 403


def test_a_code_that_another_window_asked_for_is_not_taken(
    browser: DashboardBrowser, provider: OidcProvider, environment: DashboardEnvironment
) -> None:
    """Else somebody could sign a person in as themselves."""
    answer = browser.client.get("/sign-in/oidc", follow_redirects=False)
    there = browser.client.get(answer.headers["location"], follow_redirects=False)
    victim = opened(environment, settings_for(provider))

    taken = victim.get(there.headers["location"])

    assert taken.status_code == 403
    assert "mismatching_state" in text_of(taken)


def test_a_person_who_turns_back_is_told_so(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    provider.refuses = "access_denied"

    answer = browser.get("/sign-in/oidc")

    assert answer.status_code == 403
    assert "you cancelled" in text_of(answer)


def test_an_error_in_the_address_is_not_repeated_as_it_stands(browser: DashboardBrowser) -> None:
    answer = browser.get("/sign-in/oidc/callback?error=<script>alert(1)</script>call+0800")

    assert answer.status_code == 403
    assert "scriptalert1scriptcall0800" in text_of(answer)


def test_a_provider_that_calls_itself_otherwise_is_not_believed(
    browser: DashboardBrowser, provider: OidcProvider
) -> None:
    provider.calls_itself = "https://evil.example"

    answer = browser.get("/sign-in/oidc")

    assert answer.status_code == 503
    assert "does not answer as it should" in text_of(answer)


def test_a_provider_that_is_away_is_told_and_asked_again(
    environment: DashboardEnvironment, provider: OidcProvider
) -> None:
    away = settings_for(provider)
    assert away.oidc is not None
    away = away.model_copy(
        update={"oidc": away.oidc.model_copy(update={"issuer": "http://127.0.0.1:9"})}
    )

    answer = opened(environment, away).get("/sign-in/oidc")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "http://127.0.0.1:9 cannot be reached" in text_of(answer)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "JANE@example.com", "email_verified": True}, VisitorRole.VIEWER),
        ({"groups": "prompt-keepers"}, VisitorRole.OPERATOR),
        ({"groups": ["Prompt-Keepers"]}, None),
        ({"groups": [None, 7, {"prompt-keepers": 1}]}, None),
        ({"groups": ["*"]}, None),
        ({}, None),
    ],
)
def test_roles_by_claims(
    provider: OidcProvider, claims: dict[str, Any], role: VisitorRole | None
) -> None:
    oidc = settings_for(provider).oidc
    assert oidc is not None

    assert find_role(claims, oidc) is role


def test_a_claim_may_stand_inside_another(provider: OidcProvider) -> None:
    oidc = settings_for(provider, claim="realm_access.roles").oidc
    assert oidc is not None

    assert find_role({"realm_access": {"roles": ["prompt-keepers"]}}, oidc) is VisitorRole.OPERATOR


def test_a_star_is_whoever_the_provider_lets_in(provider: OidcProvider) -> None:
    oidc = settings_for(provider, viewers=("*",)).oidc
    assert oidc is not None

    assert find_role({"sub": "7"}, oidc) is VisitorRole.VIEWER
