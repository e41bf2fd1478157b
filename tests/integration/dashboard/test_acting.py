"""The prompt's page shows the difference between both sides, and an operator chooses one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.target_state import TargetState
from bridge.status.audit_log import AuditAction
from bridge.status.status_reader import StatusReader
from bridge.storage.operator_delivery import parse_operator_request
from bridge.web.followed_mapping import FollowedMapping
from tests.integration.dashboard.dashboard_browser import (
    LOOK,
    DashboardBrowser,
    DashboardEnvironment,
    text_of,
)
from tests.integration.dashboard.seeded_statuses import (
    FOLLOWED,
    conflict_of_a_prompt,
    entry,
    way_of_a_prompt,
    write,
)

PAGE = "/prompts/support/17"


@pytest.fixture
def browser(environment: DashboardEnvironment) -> DashboardBrowser:
    environment.mappings["support"] = FOLLOWED
    conflict_of_a_prompt(environment)
    browser = environment.browser()
    browser.sign_in()
    return browser


def actions_of(environment: DashboardEnvironment) -> list[tuple[str, AuditAction, str]]:
    entries = StatusReader(environment.database, environment.clock).list_audit_entries().rows
    return [(one.actor.name, one.action, one.subject) for one in entries]


def test_the_page_shows_the_difference_and_marks_the_conflict(browser: DashboardBrowser) -> None:
    text = text_of(browser.get(PAGE))

    assert "Difference at latest conflict" in text
    assert "From the file (version 8) to PromptLayer (version 9), compared just now" in text
    assert "messages[0].content In PromptLayer Answer at length. In the repository" in text
    assert "temperature 0.2 0.7" in text
    assert "Message 1 (system): changed -Answer briefly. +Answer at length." in text


def test_the_page_links_to_the_version_the_file_and_the_pull_request(
    browser: DashboardBrowser,
) -> None:
    page = browser.get(PAGE).text

    assert 'href="https://promptlayer.example/workspace/5/prompt/17"' in page
    assert 'href="https://forge.example/acme/bot/blob/HEAD/prompts/latest/support/reply.yaml"' in (
        page
    )
    assert 'href="https://forge.example/acme/bot/pull/12"' in page


def test_a_file_that_is_only_proposed_has_no_link(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    conflict_of_a_prompt(environment, has_file=False)

    page = browser.get(PAGE).text

    assert "/blob/HEAD/" not in page
    assert "Choose a text" not in page


@pytest.mark.parametrize(
    ("side", "action"),
    [
        (AdoptedSide.PLATFORM, AuditAction.ADOPTED_PLATFORM),
        (AdoptedSide.REPOSITORY, AuditAction.ADOPTED_REPOSITORY),
    ],
)
def test_an_operator_takes_one_sides_text_and_the_audit_list_says_who(
    environment: DashboardEnvironment,
    browser: DashboardBrowser,
    side: AdoptedSide,
    action: AuditAction,
) -> None:
    form = {"token": browser.token(browser.get(PAGE)), "label": "latest", "side": side.value}

    after = browser.post(f"{PAGE}/adopt", form)

    assert after.url.path == PAGE
    assert "at latest within seconds" in text_of(after)
    (request,) = filter(None, map(parse_operator_request, environment.inbox.find_new(10)))
    assert (request.adopt, request.name) == (side, "support/reply")
    assert ("shared secret", action, "support/reply (latest)") in actions_of(environment)
    assert f"shared secret by dashboard {action}" in text_of(browser.get("/audit")).replace(
        "&#39;", "'"
    )


def test_a_mapping_that_does_not_publish_offers_the_platforms_text_alone(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    environment.mappings["support"] = replace(FOLLOWED, publishes=False)
    page = browser.get(PAGE)
    assert "Take PromptLayer’s text" in page.text
    assert "Take the repository’s text" not in page.text

    form = {"token": browser.token(page), "label": "latest", "side": "repository"}
    answer = browser.post(f"{PAGE}/adopt", form)

    assert answer.status_code == 400
    assert "does not write to PromptLayer" in text_of(answer)
    assert environment.inbox.find_new(10) == []


def test_a_side_that_is_none_is_not_taken(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    token = browser.token(browser.get(PAGE))

    for form in ({"side": "both", "label": "latest"}, {"side": "platform", "label": "nobodys"}):
        assert browser.post(f"{PAGE}/adopt", {"token": token, **form}).status_code == 400
    forged = browser.post(f"{PAGE}/adopt", {"token": "a guess", "side": "platform"})
    assert forged.status_code == 403
    assert environment.inbox.find_new(10) == []


def test_a_viewer_sees_the_difference_and_cannot_choose(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    viewer = environment.browser()
    viewer.sign_in(LOOK)
    page = viewer.get(PAGE)
    assert "Difference at" in text_of(page)
    assert "Choose a text" not in page.text

    form = {"token": viewer.token(page), "label": "latest", "side": "platform"}

    assert viewer.post(f"{PAGE}/adopt", form).status_code == 403
    assert environment.inbox.find_new(10) == []
    assert browser.get(PAGE).status_code == 200


def test_a_prompt_in_step_has_no_difference(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    write(environment, [entry(environment, 17, TargetState.IN_STEP, "support/reply")])

    assert "Difference at" not in text_of(browser.get(PAGE))


def test_the_reconciles_of_a_timeline_are_folded(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)

    page = browser.get(PAGE).text

    assert page.count("looked at once") == 1
    assert '<details id="fold-' in page
    assert "<details open" not in page.partition('id="fold-')[2].partition("</details>")[0]


@pytest.mark.parametrize("path", [PAGE, "/pulls/support/12", "/deliveries", "/audit", "/"])
def test_a_page_updates_itself(
    environment: DashboardEnvironment, browser: DashboardBrowser, path: str
) -> None:
    way_of_a_prompt(environment)

    assert f'hx-get="{path}" hx-trigger="every 1' in browser.get(path).text


def test_the_page_of_a_delivery_updates_itself(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)

    assert (
        f'hx-get="/deliveries/{id}" hx-trigger="every 10s"' in browser.get(f"/deliveries/{id}").text
    )


def test_a_part_that_updates_itself_leaves_the_message_for_the_page(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    form = {"token": browser.token(browser.get(PAGE)), "label": "latest"}
    browser.client.follow_redirects = False
    browser.post(f"{PAGE}/look", form)

    part = browser.get(PAGE, **{"HX-Request": "true", "HX-Target": "live"})

    assert "within seconds" not in part.text
    assert "within seconds" in browser.get(PAGE).text


def test_signing_in_and_out_and_redelivering_are_in_the_audit_list(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)
    token = browser.token(browser.get("/deliveries"))
    browser.post(f"/deliveries/{id}/redeliver", {"token": token})
    browser.post("/unpark", {"token": token, "mapping": "support"})
    browser.post("/sign-out", {"token": token})

    assert {(action, subject) for _, action, subject in actions_of(environment)} == {
        (AuditAction.SIGNED_IN, "as operator"),
        (AuditAction.REDELIVERED, f"delivery {id[:12]}"),
        (AuditAction.REQUESTED_PARKED, ""),
        (AuditAction.SIGNED_OUT, ""),
    }
    browser.sign_in()
    page = browser.get("/audit?action=redelivered")
    assert f'href="/deliveries/{id}"' in page.text
    assert "as operator" not in text_of(page)


def test_a_refused_action_is_not_in_the_audit_list(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    before = actions_of(environment)
    token = browser.token(browser.get(PAGE))

    browser.post(f"/deliveries/{'0' * 64}/redeliver", {"token": token})
    browser.post(f"{PAGE}/adopt", {"token": token, "side": "platform", "label": "nobodys"})

    assert actions_of(environment) == before


def test_an_unknown_mapping_offers_no_choice(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    environment.mappings.clear()
    page = browser.get(PAGE)
    assert "Choose a text" not in page.text

    form = {"token": browser.token(page), "label": "latest", "side": "platform"}

    answer = browser.post(f"{PAGE}/adopt", form)
    assert "There is no mapping support any more." in text_of(answer)
    environment.mappings["support"] = FollowedMapping("promptlayer")
    assert browser.get(PAGE).status_code == 200
