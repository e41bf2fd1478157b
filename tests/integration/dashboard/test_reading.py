"""What the pages tell, to whom, and what they never tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from bridge.forge.forge_webhooks import PullRequestAction, PullRequestEvent, PushEvent
from bridge.prompts.planning.target_state import TargetState
from bridge.status.daily_sums import StatisticKind
from bridge.status.pagination import encode_cursor
from bridge.status.problems import ProblemKind, ProblemRecords
from bridge.storage.forge_delivery import build_forge_delivery
from bridge.storage.inbox import DeliveryState
from bridge.storage.instances import InstanceRegistry
from bridge.web.followed_mapping import FollowedMapping
from tests.integration.dashboard.dashboard_browser import (
    ACT,
    CONFIGURED,
    LOOK,
    SHARED,
    DashboardBrowser,
    DashboardEnvironment,
    text_of,
)
from tests.integration.dashboard.seeded_statuses import entry, one_of_each, way_of_a_prompt, write
from tests.integration.sample_deliveries import delivery_of, payload_of, version_created

HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def browser(environment: DashboardEnvironment) -> DashboardBrowser:
    browser = environment.browser()
    browser.sign_in()
    return browser


def test_every_prompt_is_listed_with_its_state_in_words(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)

    text = text_of(browser.get("/"))

    for state in TargetState:
        assert f"support/{state.name.lower()} latest {state}" in text
        assert f"{state} 1 " in text
    assert "needs a person 35 min ago the repository is ahead" in text


def test_a_mistake_in_the_configuration_is_told_to_who_is_signed_in(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    environment.mistake = f"bridge.yaml:7: {HOSTILE}"

    shown = browser.get("/queue").text

    assert "What they said before is in force." in shown
    assert "bridge.yaml:7: &lt;script&gt;" in shown
    assert "bridge.yaml:7" not in environment.browser().get("/sign-in").text
    environment.mistake = None
    assert "in force" not in browser.get("/queue").text


def test_a_prompt_of_the_same_number_in_another_workspace_is_another_prompt(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    here = entry(environment, 1, TargetState.IN_STEP, "greeting")
    write(environment, [here, replace(here, mapping="also"), replace(here, mapping="sales")])
    care = FollowedMapping("promptlayer:care")
    environment.mappings.update({"support": care, "also": care})
    environment.mappings["sales"] = FollowedMapping("promptlayer:sales")

    shown = browser.get("/prompts/support/1").text

    assert "/prompts/also/1" in shown
    assert "/prompts/sales/1" not in shown
    assert "/deliveries?prompt=1&amp;source=promptlayer%3Acare" in shown


def test_a_filter_narrows_the_list_and_keeps_the_counts(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)

    text = text_of(browser.get("/?state=parked"))

    assert "support/parked" in text
    assert "support/open" not in text
    assert "in step 1 " in text


def test_a_search_finds_a_part_of_a_name_or_an_id(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)

    assert "support/parked" in text_of(browser.get("/?q=PARK"))
    assert "support/open" in text_of(browser.get("/?q=3"))
    assert "Nothing fits." in text_of(browser.get("/?q=nowhere"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("support pen", {"support/open", "support/pending_100%"}),
        ("SUPPORT  OPEN", {"support/open"}),
        ("support/o*", {"support/open"}),
        ("*pen*", {"support/open", "support/pending_100%"}),
        ("open*", set()),  # a word with a star has to fit the whole name
        ("100%", {"support/pending_100%"}),
        ("g_1", {"support/pending_100%"}),
        ("s_pport", set()),
    ],
)
def test_a_search_takes_several_words_and_stars(
    environment: DashboardEnvironment, browser: DashboardBrowser, text: str, found: set[str]
) -> None:
    names = ("support/open", "support/pending_100%", "sales/closed")
    for number, name in enumerate(names, start=70):
        write(environment, [entry(environment, number, TargetState.OPEN, name)])
        payload = version_created(number, prompt_template_name=name)
        environment.inbox.put(delivery_of(payload, environment.clock.now))

    for path in ("/", "/deliveries"):
        page = browser.get(f"{path}?q={quote(text)}").text
        assert {name for name in names if f">{name}<" in page} == found, path


def test_what_makes_no_sense_in_an_address_counts_as_not_asked(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)

    answer = browser.get("/?state=asleep&order=loudest&mapping=&label=%00")

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/?q=a%00b", "/deliveries?q=%00&type=%00", "/?mapping=%00"])
def test_a_nul_is_not_asked_of_the_database(
    environment: DashboardEnvironment, browser: DashboardBrowser, path: str
) -> None:
    one_of_each(environment)

    answer = browser.get(path)

    assert (answer.status_code, "\0" in answer.text, "%00" in answer.text) == (200, False, False)


@pytest.mark.parametrize("path", ["/deliveries/%00", "/prompts/%00/1", "/pulls/a%00/1"])
def test_nothing_has_a_name_with_a_nul(browser: DashboardBrowser, path: str) -> None:
    answer = browser.get(path)

    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "path",
    [
        "/?after=zzz",
        "/deliveries?after=W10",
        "/queue?after=%00",
        "/?after=" + encode_cursor(["\0", "support", 1, "latest"]),
        "/?after=" + encode_cursor(["\ud800", "support", 1, "latest"]),
        "/prompts/support/17?after=eyJ9",
    ],
)
def test_a_page_that_no_page_led_to_is_told(
    environment: DashboardEnvironment, browser: DashboardBrowser, path: str
) -> None:
    way_of_a_prompt(environment)

    answer = browser.get(path)

    assert (answer.status_code, "Begin again at the first one" in answer.text) == (400, True)


def test_long_lists_come_page_by_page_and_none_is_left_out(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    names = [f"many/{number:03}" for number in range(1, 121)]
    write(
        environment,
        (entry(environment, n, TargetState.IN_STEP, name) for n, name in enumerate(names, 1)),
    )

    seen, path, pages = list[str](), "/?q=many", 0
    while path:
        page = browser.get(path).text
        seen += [name for name in names if f">{name}<" in page]
        _, found, rest = page.rpartition('<a class="button" href="')
        path = rest.partition('"')[0].replace("&amp;", "&") if found and ">Next<" in rest else ""
        pages += 1

    assert (seen, pages) == (names, 3)


def test_the_way_of_a_prompt_is_told_with_the_times_between(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    delivery = way_of_a_prompt(environment)

    page = browser.get("/prompts/support/17")

    text = text_of(page)
    assert "pull request opened version 9 latest #12" in text
    assert "4.0 s after event arrived" in text
    assert "1.0 s after saved version 9 by Jane Doe latest" in text
    assert "“Shorter answers”" in text
    assert f'href="/deliveries/{delivery}"' in page.text
    assert 'href="/pulls/support/12"' in page.text


def test_a_pull_request_tells_what_it_carries_and_what_led_to_it(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    delivery = way_of_a_prompt(environment)

    page = browser.get("/pulls/support/12")

    assert 'href="https://forge.example/acme/bot/pull/12"' in page.text
    assert "support/reply latest pull request open" in text_of(page)
    assert f'href="/deliveries/{delivery}"' in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/prompts/support/99",
        "/prompts/nobodys/17",
        "/pulls/support/99",
        "/deliveries/" + "0" * 64,
        "/prompts/support/seventeen",
        "/prompts/support/" + "9" * 30,
        "/prompts/support/" + "9" * 5000,
        "/pulls/support/-1",
        "/pulls/support/٣",
        "/nowhere",
    ],
)
def test_what_is_not_there_has_a_page_that_says_so(browser: DashboardBrowser, path: str) -> None:
    answer = browser.get(path)

    assert answer.status_code == 404
    assert "All prompts" in text_of(answer)


def test_a_delivery_shows_its_payload_and_what_came_of_it(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)

    text = text_of(browser.get(f"/deliveries/{id}"))

    assert "version created of support/reply" in text
    assert "&#34;prompt_template_version_number&#34;: 9" in text
    assert "support latest waiting" in text


def test_deliveries_are_found_by_prompt_state_and_id(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)
    other = delivery_of(payload_of("tea_ready"), environment.clock.now)
    environment.inbox.put(other)

    assert id in browser.get("/deliveries?q=REPL").text
    assert id in browser.get(f"/deliveries?q={id[:8]}").text
    assert other.id not in browser.get("/deliveries?prompt=17").text
    assert id not in browser.get("/deliveries?state=ignored").text
    assert "Only of “tea ready”" in text_of(browser.get("/deliveries?type=tea_ready"))


def test_deliveries_of_a_forge_name_their_repository_and_pull_request_or_branch(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    merged = PullRequestEvent(
        "acme/bot", 12, PullRequestAction.MERGED, "topic", "main", "a" * 40, False, "jane"
    )
    pushed = PushEvent("acme/bot", "main", None, "b" * 40)
    now = environment.clock.now
    for id, event in (("1" * 64, merged), ("2" * 64, pushed)):
        environment.inbox.put(build_forge_delivery("gh", id, event, now))

    text = text_of(browser.get("/deliveries"))

    assert "pull request merged forge:gh acme/bot #12" in text
    assert "pushed forge:gh acme/bot main" in text
    assert "pull request merged: acme/bot #12" in text_of(browser.get(f"/deliveries/{'1' * 64}"))


def test_the_bridges_own_deliveries_are_dimmed(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    page = browser.get("/prompts/support/17")
    form = {"token": browser.token(page), "label": "latest"}
    browser.post("/prompts/support/17/look", form)

    now, branch = environment.clock.now, "promptlayer/support/latest/17"
    others = ("acme/bot", 12, PullRequestAction.MERGED, branch, "main", "a" * 40, False, "jane")
    opened = PullRequestEvent("acme/bot", 11, PullRequestAction.OPENED, *others[3:])
    for id, event in (
        ("1", PushEvent("acme/bot", branch, None, "b" * 40)),
        ("2", PushEvent("acme/bot", branch + "0", None, "b" * 40)),  # a person's: it asked for work
        ("3", opened),
        ("4", PullRequestEvent(*others)),
    ):
        environment.inbox.put(build_forge_delivery("gh", id * 64, event, now))
    environment.inbox.set_state(["1" * 64], DeliveryState.IGNORED)

    own, plain = rows_of(browser.get("/deliveries").text)

    assert [row for row in own if ">bridge</span>" in row]
    assert {id for id in "1234" if any(id * 64 in row for row in own)} == {"1", "3"}
    assert {id for id in "1234" if any(id * 64 in row for row in plain)} == {"2", "4"}


def rows_of(page: str) -> tuple[list[str], list[str]]:
    """The rows that are dimmed, and the others."""
    rows = page.split("<tr")
    own = [row for row in rows if row.startswith(' class="own"')]
    return own, [row for row in rows if row not in own]


def test_the_queue_says_what_waits_and_why(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    environment.clock.advance(90)

    text = text_of(browser.get("/queue"))

    assert "Deliveries not read yet 1" in text
    assert "promptlayer/support/latest/17 support 1 1 min ago it is due" in text


def test_charts_have_their_numbers_in_a_table_too(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)

    page = browser.get("/charts?days=7")

    assert "2026-01-02 1 4.3 s 4.7 s 0 0" in text_of(page)
    assert page.text.count('role="img"') == 2
    assert StatisticKind.TIME_TO_PULL_REQUEST not in page.text


# What never appears


def test_names_from_elsewhere_are_text_and_nothing_else(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)
    hostile = entry(environment, 17, TargetState.OPEN, HOSTILE, label="<b>")
    write(
        environment,
        [replace(hostile, reason=HOSTILE, path=HOSTILE, pull_request="javascript:alert(1)")],
    )
    environment.inbox.put(
        delivery_of(version_created(5, prompt_template_name=HOSTILE), environment.clock.now)
    )

    paths = ("/", "/?q=%3Cscript%3E", "/prompts/support/17", "/pulls/support/12", "/deliveries")
    for path in (*paths, f"/deliveries/{id}", "/deliveries?type=%3Cb%3E&source=%22%3E%3Ci%3E"):
        page = browser.get(path).text
        for forbidden in ("<script>alert", "<img", "javascript:", ">49<", '"><i>', "<b>&"):
            assert forbidden not in page, path


def test_a_secret_in_a_payload_is_masked(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    leak = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    payload = version_created(3, commit_message=f"the token is {leak}", api_key=leak)
    delivery = delivery_of(payload, environment.clock.now)
    environment.inbox.put(delivery)

    page = browser.get(f"/deliveries/{delivery.id}").text

    assert leak not in page
    assert "ghp_…" in page


def test_no_page_tells_a_secret_of_the_configuration(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    delivery = delivery_of(version_created(4, note=f"x {CONFIGURED} y"), environment.clock.now)
    environment.inbox.put(delivery)
    environment.inbox.set_state([delivery.id], DeliveryState.PARKED, f"refused: {CONFIGURED}")

    for path in ("/deliveries", f"/deliveries/{delivery.id}"):
        page = browser.get(path).text
        assert CONFIGURED not in page
        assert "•••" in page


def test_a_payload_that_is_deep_or_odd_is_shown(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    deep: object = "end"
    for _ in range(100):
        deep = [deep]
    odd = version_created(6, nested=deep, odd="\0\u2028\ud800", large=1e300)
    delivery = delivery_of(odd, environment.clock.now)
    environment.inbox.put(delivery)

    assert browser.get(f"/deliveries/{delivery.id}").status_code == 200


# Acting


def test_a_viewer_has_no_button(environment: DashboardEnvironment) -> None:
    id = way_of_a_prompt(environment)
    viewer = environment.browser()
    viewer.sign_in(LOOK)

    for path in ("/", f"/deliveries/{id}", "/prompts/support/17", "/pulls/support/12"):
        page = viewer.get(path).text
        assert page.count("<form") - page.count('role="search"') == 1, "signing out, and no other"


def test_an_operator_redelivers_and_the_log_says_who(
    environment: DashboardEnvironment, browser: DashboardBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bridge.web")
    id = way_of_a_prompt(environment)
    environment.inbox.set_state([id], DeliveryState.DONE)
    page = browser.get(f"/deliveries/{id}")

    after = browser.post(f"/deliveries/{id}/redeliver", {"token": browser.token(page)})

    assert after.url.path == f"/deliveries/{id}"
    assert "It is new again" in text_of(after)
    assert "It is new again" not in text_of(browser.get(f"/deliveries/{id}"))
    (delivery,) = environment.inbox.find_new(10)
    assert delivery.id == id
    assert f"'shared secret' asked to have delivery {id[:12]} taken up again" in caplog.messages


def test_an_operator_has_one_label_of_a_prompt_looked_at_again(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    environment.inbox.set_state(
        [one.id for one in environment.inbox.find_new(9)], DeliveryState.DONE
    )
    page = browser.get("/prompts/support/17")
    assert page.text.count("Look again") == 1

    form = {"token": browser.token(page), "label": "latest"}
    after = browser.post("/prompts/support/17/look", form)

    assert "looks at latest again within seconds" in text_of(after)
    (asked,) = environment.inbox.find_new(10)
    assert (asked.source, asked.prompt_id, asked.label) == ("bridge", 17, "latest")
    assert "shared secret" in asked.payload


def test_what_is_not_followed_cannot_be_looked_at_again(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    token = browser.token(browser.get("/"))

    answer = browser.post("/prompts/support/17/look", {"token": token, "label": "nobodys"})

    assert answer.status_code == 400
    assert "does not follow this prompt at this label" in text_of(answer)


def test_an_operator_has_all_that_is_parked_looked_at_again(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)
    assert "Look again at all" not in text_of(browser.get("/"))
    page = browser.get("/?state=parked")
    assert "Look again at all that is parked" in text_of(page)

    after = browser.post("/unpark", {"token": browser.token(page), "mapping": ""})

    assert "looks again at 1 prompt that is parked" in text_of(after)
    assert [one.prompt_name for one in environment.inbox.find_new(10)] == ["support/parked"]


def test_the_queue_names_the_processes_and_says_which_is_silent(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    InstanceRegistry(environment.database, "1", "cluster-a serve").register()
    environment.clock.now = datetime.now(UTC) + timedelta(minutes=5)
    browser.sign_in()

    text = text_of(browser.get("/queue"))

    assert "cluster-a serve 5 min ago 5 min ago ; another one takes its work over" in text


def redelivered(
    environment: DashboardEnvironment, browser: DashboardBrowser, id: str, **headers: str
) -> tuple[int, bool]:
    """The answer to a form that carries the right token, and whether anything was done."""
    environment.inbox.set_state([id], DeliveryState.DONE)
    token = browser.token(browser.get("/deliveries"))
    answer = browser.post(f"/deliveries/{id}/redeliver", {"token": token}, **headers)
    return answer.status_code, bool(environment.inbox.find_new(10))


def test_who_redelivers_what_is_gone_is_told_so(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    way_of_a_prompt(environment)
    token = browser.token(browser.get("/deliveries"))

    answer = browser.post(f"/deliveries/{'0' * 64}/redeliver", {"token": token})

    assert answer.status_code == 404
    assert "There is no delivery with this id." in text_of(answer)
    assert "deliveries list" not in text_of(answer)


def test_a_viewer_cannot_act_by_a_form_of_their_own_making(
    environment: DashboardEnvironment,
) -> None:
    id = way_of_a_prompt(environment)
    viewer = environment.browser()
    viewer.sign_in(LOOK)

    assert redelivered(environment, viewer, id) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://bridge.test.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_that_another_site_sent_is_not_followed(
    environment: DashboardEnvironment, browser: DashboardBrowser, headers: dict[str, str]
) -> None:
    assert redelivered(environment, browser, way_of_a_prompt(environment), **headers) == (
        403,
        False,
    )


def test_a_form_of_our_own_site_is_followed(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    own = {"Origin": "http://bridge.test", "Sec-Fetch-Site": "same-origin"}

    assert redelivered(environment, browser, way_of_a_prompt(environment), **own) == (200, True)


def test_behind_a_proxy_that_changes_the_host_the_public_address_is_our_own(
    environment: DashboardEnvironment,
) -> None:
    settings = SHARED.model_copy(update={"url": "http://bridge.example.com"})
    browser = environment.browser(settings)
    browser.sign_in()
    own = {"Origin": "http://bridge.example.com"}

    assert redelivered(environment, browser, way_of_a_prompt(environment), **own) == (200, True)


@pytest.mark.parametrize("token", ["", "a guess", "é", None])
def test_a_form_without_its_token_is_not_followed(
    environment: DashboardEnvironment, browser: DashboardBrowser, token: str | None
) -> None:
    id = way_of_a_prompt(environment)
    environment.inbox.set_state([id], DeliveryState.DONE)

    form = {} if token is None else {"token": token}
    answer = browser.post(f"/deliveries/{id}/redeliver", form)

    assert (answer.status_code, environment.inbox.find_new(10)) == (403, [])


def test_nothing_is_done_by_following_a_link(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    id = way_of_a_prompt(environment)

    assert browser.get(f"/deliveries/{id}/redeliver").status_code == 405


def test_a_form_that_is_too_large_is_not_read(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    answer = browser.post("/deliveries/0/redeliver", {"token": "x" * 100_000})

    assert answer.status_code == 413


# Bad days


def test_a_database_that_does_not_answer_is_told_as_that(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    with environment.database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE standings RENAME TO elsewhere")

    answer = browser.get("/")

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert json.dumps(text_of(answer)).count("SELECT") == 0


def test_a_part_that_is_asked_for_meanwhile_leaves_what_is_shown(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    with environment.database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE standings RENAME TO elsewhere")

    answer = browser.get("/", **{"HX-Request": "true"})

    assert (answer.status_code, answer.headers["hx-reswap"]) == (503, "none")


def test_secrets_are_not_in_any_repr(environment: DashboardEnvironment) -> None:
    assert ACT not in repr(SHARED)
    assert CONFIGURED not in repr(environment.app())


def test_problems_have_a_page_until_they_are_mended(
    environment: DashboardEnvironment, browser: DashboardBrowser
) -> None:
    one_of_each(environment)
    known = ProblemRecords(environment.database, environment.clock)
    mistake = "prompts/a.yaml:3: `mesages:` is not known; did you mean `messages`?"
    known.replace("support", ProblemKind.FILE, {"prompts/a.yaml": mistake})

    page = text_of(browser.get("/problems"))

    assert mistake in page
    assert "promptlayer-bridge prune support" in page

    known.replace("support", ProblemKind.FILE, {})
    assert "Nothing is wrong." in text_of(browser.get("/problems"))
