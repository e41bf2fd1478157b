"""Signing out ends the session itself, and with it every copy of its cookie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from tests.integration.dashboard.dashboard_browser import (
    ACT,
    DashboardBrowser,
    DashboardEnvironment,
    text_of,
)
from tests.integration.dashboard.seeded_statuses import way_of_a_prompt

HOURS = 3600.0


@pytest.fixture
def elsewhere(tmp_path: Path, environment: DashboardEnvironment) -> Iterator[DashboardEnvironment]:
    """Another process at the same database."""
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    other = DashboardEnvironment(
        database, DeliveryInbox(database, environment.clock), environment.clock
    )
    yield other
    other.close()


@pytest.fixture
def browser(environment: DashboardEnvironment) -> DashboardBrowser:
    browser = environment.browser()
    browser.sign_in()
    return browser


def copied(browser: DashboardBrowser, environment: DashboardEnvironment) -> DashboardBrowser:
    """A browser with a copy of the other's cookie."""
    thief = environment.browser()
    thief.client.cookies.set("bridge", browser.cookie(), domain="bridge.test", path="/")
    return thief


def sign_out(browser: DashboardBrowser) -> None:
    token = browser.token(browser.get("/deliveries"))
    assert browser.post("/sign-out", {"token": token}).url.path == "/sign-in"


def break_sessions(environment: DashboardEnvironment) -> None:
    """As a database that does not answer is seen by who asks whether a session has ended."""
    with environment.database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE ended_sessions RENAME TO elsewhere")


PATHS = ["/", "/deliveries", "/queue", "/charts", "/prompts/support/17", "/pulls/support/12"]


@pytest.mark.parametrize("path", PATHS)
def test_a_cookie_copied_before_opens_nothing_afterwards(
    environment: DashboardEnvironment, browser: DashboardBrowser, path: str
) -> None:
    way_of_a_prompt(environment)
    thief = copied(browser, environment)
    assert thief.get(path).url.path == path

    sign_out(browser)

    assert thief.get(path).url.path == "/sign-in"


def test_a_cookie_copied_before_opens_nothing_on_another_process(
    environment: DashboardEnvironment, elsewhere: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    thief = copied(browser, elsewhere)
    assert thief.get("/queue").url.path == "/queue"

    sign_out(browser)

    assert thief.get("/queue").url.path == "/sign-in"


def test_a_copied_cookie_acts_on_nothing_afterwards(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)
    environment.inbox.set_state([id], DeliveryState.DONE)
    thief = copied(browser, environment)
    token = thief.token(thief.get(f"/deliveries/{id}"))

    sign_out(browser)
    answer = thief.post(f"/deliveries/{id}/redeliver", {"token": token})

    assert answer.url.path == "/sign-in"
    assert not environment.inbox.find_new(10)


def test_a_copied_cookie_is_shown_as_nobodys_on_a_page_that_says_what_went_wrong(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    environment.mistake = "bridge.yaml:7: wrong"
    thief = copied(browser, environment)
    assert "shared secret · operator" in text_of(thief.get("/nowhere"))

    sign_out(browser)
    shown = text_of(thief.get("/nowhere"))

    assert "There is no such page" in shown
    assert "shared secret" not in shown
    assert "bridge.yaml:7" not in shown


def test_a_part_of_a_page_asked_for_afterwards_leads_to_signing_in_and_leaves_the_cookie(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    """Its answer may come after a new session has begun in this browser."""
    old = copied(browser, environment)
    sign_out(browser)

    answer = old.get("/queue", **{"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")
    assert "set-cookie" not in answer.headers


def test_other_sessions_of_the_same_person_stay(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    other = environment.browser()
    other.sign_in()

    sign_out(browser)

    assert other.get("/queue").url.path == "/queue"


def test_who_signed_out_signs_in_again_and_comes_to_where_they_wanted_to_go(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    old = copied(browser, environment)
    sign_out(browser)
    old.get("/deliveries?state=parked")

    arrived = old.sign_in()

    assert arrived.url.path == "/deliveries"
    assert "· operator" in text_of(arrived)


def test_signing_in_while_signed_in_ends_the_session_before(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    thief = copied(browser, environment)
    token = browser.token(browser.get("/queue"))

    browser.post("/sign-in", {"token": token, "secret": ACT})

    assert browser.get("/queue").url.path == "/queue"
    assert thief.get("/queue").url.path == "/sign-in"


def test_only_a_form_of_the_session_ends_it(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    thief = copied(browser, environment)
    token = browser.token(browser.get("/queue"))

    foreign = browser.post("/sign-out", {"token": token}, Origin="https://evil.example")
    guessed = browser.post("/sign-out", {"token": "guessed"})

    assert (foreign.status_code, guessed.status_code) == (403, 403)
    assert browser.get("/queue").url.path == thief.get("/queue").url.path == "/queue"


def test_who_never_signed_in_leaves_no_row_by_signing_out(
    environment: DashboardEnvironment,
) -> None:
    stranger = environment.browser()
    token = stranger.token(stranger.get("/sign-in"))

    stranger.post("/sign-out", {"token": token})

    with environment.database.open_read_transaction() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM ended_sessions").all()
    assert not rows


def test_ended_sessions_are_forgotten_once_they_would_be_over(
    environment: DashboardEnvironment,
) -> None:
    for _ in range(3):
        browser = environment.browser()
        browser.sign_in()
        sign_out(browser)
        environment.clock.advance(14 * HOURS)

    with environment.database.open_read_transaction() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM ended_sessions").all()
    assert len(rows) == 1


# Bad days


def test_nobody_gets_in_where_nobody_knows_whether_their_session_has_ended(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    break_sessions(environment)

    for path in ("/queue", "/sign-in"):
        answer = browser.get(path)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert "shared secret ·" not in text_of(answer)
    assert browser.get("/nowhere").status_code == 404
    assert environment.browser().get("/sign-in").status_code == 200


def test_who_could_not_be_signed_out_is_told_so_and_can_try_again(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    token = browser.token(browser.get("/queue"))
    thief = copied(browser, environment)
    break_sessions(environment)

    failed = browser.post("/sign-out", {"token": token})

    assert failed.status_code == 503
    assert "You are not signed out. Try again soon." in text_of(failed)
    with environment.database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO ended_sessions")
    assert browser.post("/sign-out", {"token": token}).url.path == "/sign-in"
    assert thief.get("/queue").url.path == "/sign-in"
