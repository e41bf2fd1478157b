"""Who gets in, as whom, for how long; and who does not."""

from __future__ import annotations

import httpx2
import pytest

from bridge.config.dashboard_settings import DashboardSettings
from bridge.web.app import WebSettings, create_app, create_dashboard_placeholder
from tests.integration.dashboard.dashboard_browser import (
    ACT,
    HOST,
    LOOK,
    SHARED,
    DashboardEnvironment,
    client_of,
    text_of,
)
from tests.standins.webhook_endpoints import one_workspace

PAGES = ["/deliveries", "/deliveries/0123", "/deliveries?state=parked"]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(
    environment: DashboardEnvironment, path: str
) -> None:
    answer = environment.browser().get(path)

    assert answer.url.path == "/sign-in"
    assert "Shared secret" in text_of(answer)


def test_who_signs_in_comes_to_where_they_wanted_to_go(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    browser.get("/deliveries?state=parked")

    arrived = browser.sign_in()

    assert str(arrived.url) == f"{HOST}/deliveries?state=parked"


@pytest.mark.parametrize(("secret", "role"), [(LOOK, "viewer"), (ACT, "operator")])
def test_each_secret_has_its_role(
    environment: DashboardEnvironment, secret: str, role: str
) -> None:
    browser = environment.browser()
    browser.get("/deliveries")

    assert f"· {role}" in text_of(browser.sign_in(secret))


@pytest.mark.parametrize("wrong", ["", "nearly", LOOK[:-1], LOOK + " ", "ü" * 20, "\0"])
def test_a_wrong_secret_is_told_as_that_and_nothing_else(
    environment: DashboardEnvironment, wrong: str
) -> None:
    browser = environment.browser()

    answer = browser.sign_in(wrong)

    assert answer.status_code == 403
    assert "That is not the secret." in text_of(answer)
    assert browser.get("/deliveries").url.path == "/sign-in"


def test_guessing_is_slowed_for_each_address(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    for _ in range(5):
        assert browser.sign_in("a guess").status_code == 403

    slowed = browser.sign_in(ACT)

    assert slowed.status_code == 429
    assert slowed.headers["retry-after"] == "12"
    assert "Try again in 12 s" in text_of(slowed)
    environment.clock.advance(12)
    browser.sign_in(ACT)
    assert browser.get("/deliveries").url.path == "/deliveries"


def test_a_form_of_another_session_signs_nobody_in(environment: DashboardEnvironment) -> None:
    mine, theirs = environment.browser(), environment.browser()
    token = theirs.token(theirs.get("/sign-in"))
    mine.get("/sign-in")

    answer = mine.post("/sign-in", {"token": token, "secret": ACT})

    assert answer.status_code == 403
    assert "This form is of another session" in text_of(answer)


def test_signing_in_begins_a_new_session(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    before = browser.get("/sign-in")
    planted = browser.token(before)
    browser.get("/deliveries")

    after = browser.sign_in()

    assert browser.token(after) != planted
    assert browser.post("/sign-out", {"token": planted}).status_code == 403


def test_a_session_ends_after_its_time_however_much_it_is_used(
    environment: DashboardEnvironment,
) -> None:
    browser = environment.browser()
    browser.sign_in()
    for _ in range(3):
        environment.clock.advance(4 * 3600 - 1)
        assert browser.get("/deliveries").url.path == "/deliveries"

    environment.clock.advance(10)

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_signing_out_ends_it(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    browser.sign_in()
    token = browser.token(browser.get("/deliveries"))

    browser.post("/sign-out", {"token": token})

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_a_changed_cookie_is_nobodys(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    browser.sign_in(LOOK)
    body, _, signature = browser.cookie().partition(".")
    browser.client.cookies.clear()

    browser.client.cookies.set("bridge", f"{body[:-4]}AAAA.{signature}")

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_every_process_of_one_database_knows_a_session(environment: DashboardEnvironment) -> None:
    here, there = environment.browser(), environment.browser()
    here.sign_in()

    there.client.cookies = here.client.cookies

    assert there.get("/deliveries").url.path == "/deliveries"


def test_a_session_ends_when_the_secrets_change(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    browser.sign_in()
    changed = DashboardSettings.model_validate({"secret": LOOK, "operator_secret": "x" * 20})
    after = environment.browser(changed)

    after.client.cookies = browser.client.cookies

    assert after.get("/deliveries").url.path == "/sign-in"


def test_the_cookie_is_the_servers_alone(environment: DashboardEnvironment) -> None:
    answer = environment.browser().client.get("/sign-in")

    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("bridge=")
    assert "httponly; samesite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "secure" not in cookie


def test_over_tls_the_cookie_never_leaves_tls_or_the_host(
    environment: DashboardEnvironment,
) -> None:
    settings = SHARED.model_copy(update={"url": "https://bridge.test"})

    answer = environment.browser(settings, "https://bridge.test").client.get("/sign-in")

    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-bridge=")
    assert "path=/;" in cookie
    assert cookie.endswith("; secure")
    assert "strict-transport-security" in answer.headers


def test_a_part_of_a_page_asked_for_too_late_leads_to_signing_in(
    environment: DashboardEnvironment,
) -> None:
    answer = environment.browser().get("/deliveries", **{"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_viewer_who_is_signed_in_is_not_asked_again(environment: DashboardEnvironment) -> None:
    browser = environment.browser()
    browser.get("/deliveries")
    browser.sign_in()

    assert browser.client.get("/sign-in", follow_redirects=False).headers["location"] == "/"


def test_without_a_dashboard_one_line_says_how_to_have_one(
    environment: DashboardEnvironment,
) -> None:
    app = create_app(
        WebSettings(environment.clock, one_workspace("whsec")),
        environment.inbox,
        pages=create_dashboard_placeholder(),
    )
    with client_of(app) as client:
        answer = client.get("/")

        assert answer.text.count("\n") == 1
        assert "set dashboard: {operator_secret: ${SOME_VARIABLE}} in bridge.yaml" in answer.text
        assert client.get("/deliveries").status_code == 404


def test_the_front_door_and_its_health_stay_as_they_are(environment: DashboardEnvironment) -> None:
    client = environment.browser().client

    assert client.get("/healthz").json() == {"status": "ok"}
    refused = client.post("/webhooks/promptlayer", content=b"{}")
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


def test_every_answer_is_shielded(environment: DashboardEnvironment) -> None:
    browser = environment.browser()

    for answer in (browser.get("/sign-in"), browser.get("/nowhere"), browser.get("/static/x.js")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_pages_are_not_kept_by_caches_and_their_style_is_for_good(
    environment: DashboardEnvironment,
) -> None:
    browser = environment.browser()
    page = browser.get("/sign-in")

    assert page.headers["cache-control"] == "no-store"
    assert "vary" in page.headers
    for path in _assets(page):
        asset = browser.get(path)
        assert (asset.status_code, "immutable" in asset.headers["cache-control"]) == (200, True)


def _assets(page: httpx2.Response) -> list[str]:
    found = [part.partition('"')[0] for part in page.text.split('="')[1:]]
    assets = [each for each in found if each.startswith("/static/")]
    assert len(assets) == 3
    return assets
