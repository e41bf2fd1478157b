"""Who gets in, as whom, for how long; and who does not."""

from __future__ import annotations

import httpx2
import pytest

from bridge.config.dashboard import DashboardSettings
from bridge.web.app import WebSettings, create_app, no_dashboard
from tests.integration.dashboard.visiting import ACT, HOST, LOOK, SHARED, Place, client_of, text_of
from tests.standins.doors import one_workspace

PAGES = ["/deliveries", "/deliveries/0123", "/deliveries?state=parked"]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(place: Place, path: str) -> None:
    answer = place.browser().get(path)

    assert answer.url.path == "/sign-in"
    assert "Shared secret" in text_of(answer)


def test_who_signs_in_comes_to_where_they_wanted_to_go(place: Place) -> None:
    browser = place.browser()
    browser.get("/deliveries?state=parked")

    arrived = browser.sign_in()

    assert str(arrived.url) == f"{HOST}/deliveries?state=parked"


@pytest.mark.parametrize(("secret", "role"), [(LOOK, "viewer"), (ACT, "operator")])
def test_each_secret_has_its_role(place: Place, secret: str, role: str) -> None:
    browser = place.browser()
    browser.get("/deliveries")

    assert f"· {role}" in text_of(browser.sign_in(secret))


@pytest.mark.parametrize("wrong", ["", "nearly", LOOK[:-1], LOOK + " ", "ü" * 20, "\0"])
def test_a_wrong_secret_is_told_as_that_and_nothing_else(place: Place, wrong: str) -> None:
    browser = place.browser()

    answer = browser.sign_in(wrong)

    assert answer.status_code == 403
    assert "That is not the secret." in text_of(answer)
    assert browser.get("/deliveries").url.path == "/sign-in"


def test_guessing_is_slowed_for_each_address(place: Place) -> None:
    browser = place.browser()
    for _ in range(5):
        assert browser.sign_in("a guess").status_code == 403

    slowed = browser.sign_in(ACT)

    assert slowed.status_code == 429
    assert slowed.headers["retry-after"] == "12"
    assert "Try again in 12 s" in text_of(slowed)
    place.clock.turn(12)
    browser.sign_in(ACT)
    assert browser.get("/deliveries").url.path == "/deliveries"


def test_a_form_of_another_session_signs_nobody_in(place: Place) -> None:
    mine, theirs = place.browser(), place.browser()
    token = theirs.token(theirs.get("/sign-in"))
    mine.get("/sign-in")

    answer = mine.post("/sign-in", {"token": token, "secret": ACT})

    assert answer.status_code == 403
    assert "This form is of another session" in text_of(answer)


def test_signing_in_begins_a_new_session(place: Place) -> None:
    browser = place.browser()
    before = browser.get("/sign-in")
    planted = browser.token(before)
    browser.get("/deliveries")

    after = browser.sign_in()

    assert browser.token(after) != planted
    assert browser.post("/sign-out", {"token": planted}).status_code == 403


def test_a_session_ends_after_its_time_however_much_it_is_used(place: Place) -> None:
    browser = place.browser()
    browser.sign_in()
    for _ in range(3):
        place.clock.turn(4 * 3600 - 1)
        assert browser.get("/deliveries").url.path == "/deliveries"

    place.clock.turn(10)

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_signing_out_ends_it(place: Place) -> None:
    browser = place.browser()
    browser.sign_in()
    token = browser.token(browser.get("/deliveries"))

    browser.post("/sign-out", {"token": token})

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_a_changed_cookie_is_nobodys(place: Place) -> None:
    browser = place.browser()
    browser.sign_in(LOOK)
    body, _, signature = browser.cookie().partition(".")
    browser.client.cookies.clear()

    browser.client.cookies.set("bridge", f"{body[:-4]}AAAA.{signature}")

    assert browser.get("/deliveries").url.path == "/sign-in"


def test_every_process_of_one_database_knows_a_session(place: Place) -> None:
    here, there = place.browser(), place.browser()
    here.sign_in()

    there.client.cookies = here.client.cookies

    assert there.get("/deliveries").url.path == "/deliveries"


def test_a_session_ends_when_the_secrets_change(place: Place) -> None:
    browser = place.browser()
    browser.sign_in()
    changed = DashboardSettings.model_validate({"secret": LOOK, "operator_secret": "x" * 20})
    after = place.browser(changed)

    after.client.cookies = browser.client.cookies

    assert after.get("/deliveries").url.path == "/sign-in"


def test_the_cookie_is_the_servers_alone(place: Place) -> None:
    answer = place.browser().client.get("/sign-in")

    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("bridge=")
    assert "httponly; samesite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "secure" not in cookie


def test_over_tls_the_cookie_never_leaves_tls_or_the_host(place: Place) -> None:
    settings = SHARED.model_copy(update={"url": "https://bridge.test"})

    answer = place.browser(settings, "https://bridge.test").client.get("/sign-in")

    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-bridge=")
    assert "path=/;" in cookie
    assert cookie.endswith("; secure")
    assert "strict-transport-security" in answer.headers


def test_a_part_of_a_page_asked_for_too_late_leads_to_signing_in(place: Place) -> None:
    answer = place.browser().get("/deliveries", **{"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_viewer_who_is_signed_in_is_not_asked_again(place: Place) -> None:
    browser = place.browser()
    browser.get("/deliveries")
    browser.sign_in()

    assert browser.client.get("/sign-in", follow_redirects=False).headers["location"] == "/"


def test_without_a_dashboard_one_line_says_how_to_have_one(place: Place) -> None:
    app = create_app(
        WebSettings(place.clock, one_workspace("whsec")), place.inbox, pages=no_dashboard()
    )
    with client_of(app) as client:
        answer = client.get("/")

        assert answer.text.count("\n") == 1
        assert "set dashboard: {operator_secret: ${SOME_VARIABLE}} in bridge.yaml" in answer.text
        assert client.get("/deliveries").status_code == 404


def test_the_front_door_and_its_health_stay_as_they_are(place: Place) -> None:
    client = place.browser().client

    assert client.get("/healthz").json() == {"status": "ok"}
    refused = client.post("/webhooks/promptlayer", content=b"{}")
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


def test_every_answer_is_shielded(place: Place) -> None:
    browser = place.browser()

    for answer in (browser.get("/sign-in"), browser.get("/nowhere"), browser.get("/static/x.js")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_pages_are_not_kept_by_caches_and_their_style_is_for_good(place: Place) -> None:
    browser = place.browser()
    page = browser.get("/sign-in")

    assert page.headers["cache-control"] == "no-store"
    assert "vary" in page.headers
    for path in _assets(page):
        asset = browser.get(path)
        assert (asset.status_code, "immutable" in asset.headers["cache-control"]) == (200, True)


def _assets(page: httpx2.Response) -> list[str]:
    found = [part.partition('"')[0] for part in page.text.split('="')[1:]]
    assets = [each for each in found if each.startswith("/static/")]
    assert len(assets) == 2
    return assets
