"""The dashboard in a real browser: by keyboard, on a phone, in the dark, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.target_state import TargetState
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from bridge.storage.operator_delivery import parse_operator_request
from tests.integration.dashboard.chromium import chromium_path
from tests.integration.dashboard.dashboard_browser import ACT, LOOK, DashboardEnvironment
from tests.integration.dashboard.seeded_statuses import (
    FOLLOWED,
    MAPPING,
    conflict_of_a_prompt,
    entry,
    one_of_each,
    way_of_a_prompt,
    write,
)
from tests.integration.manual_clock import ManualClock
from tests.programs import end_without
from tests.standins.serve_app import serve

PHONE: Any = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
DEADLINE = 10_000.0  # milliseconds, for what should happen at once

pytestmark = pytest.mark.xdist_group("browser")  # one Chromium, whatever JOBS says
expect.set_options(timeout=DEADLINE)

VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective));
"""
CONTRASTS = """() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
  };
  return [...document.querySelectorAll('body *')]
    .filter(node => [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim()))
    .filter(node => node.checkVisibility() && !node.closest('svg'))
    .map(node => {
      const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.textContent.trim()];
    });
}"""


@dataclass
class Desk:
    """A served dashboard with something on every page, and a browser."""

    url: str
    environment: DashboardEnvironment
    chromium: Chromium
    delivery: str
    complaints: list[str] = field(default_factory=list)
    sessions: dict[str, Any] = field(default_factory=dict)  # cookies, by the secret

    @property
    def paths(self) -> tuple[str, ...]:
        prompt = ("/prompts/support/17", "/pulls/support/12")
        return (
            "/",
            *prompt,
            "/deliveries",
            f"/deliveries/{self.delivery}",
            "/queue",
            "/problems",
            "/charts",
            "/audit",
        )

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    @contextmanager
    def page(self, secret: str | None = ACT, **context: Any) -> Iterator[Page]:
        """A window of its own, signed in; what the browser complains about is noted."""
        known: Any = self.sessions.get(secret or "")
        opened = self.chromium.new_context(base_url=self.url, storage_state=known, **context)
        opened.set_default_timeout(DEADLINE)
        opened.add_init_script(VIOLATIONS)
        page = opened.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto("/")
        if secret and not known:
            page.get_by_label("Shared secret").fill(secret)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Prompts")
            self.sessions[secret] = opened.storage_state()
        yield page
        if context.get("java_script_enabled", True):
            self.complaints += page.evaluate("violations")
        opened.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    path = chromium_path() or end_without("no Chromium here: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def running(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    clock = ManualClock()
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('desk')}/bridge.sqlite")
    environment = DashboardEnvironment(database, DeliveryInbox(database, clock), clock)
    one_of_each(environment)
    delivery = way_of_a_prompt(environment)
    conflict_of_a_prompt(environment)
    environment.mappings["support"] = FOLLOWED
    with serve(environment.app()) as url:
        yield Desk(url, environment, chromium, delivery)
    environment.close()


@pytest.fixture
def desk(running: Desk) -> Iterator[Desk]:
    """Fails when the browser had anything to complain about."""
    running.complaints.clear()
    yield running
    assert running.complaints == []


def rows(page: Page) -> list[str]:
    return page.locator("#results tbody th a").all_inner_texts()


def test_a_search_narrows_the_list_as_one_types_without_a_new_page(desk: Desk) -> None:
    with desk.page() as page:
        page.evaluate("window.same = true")

        page.get_by_label("Search by name or id").press_sequentially("REP")

        expect(page.locator("#results tbody tr")).to_have_count(1)
        assert rows(page) == ["support/reply"]
        assert page.url.endswith("/?q=REP&order=name&state=")
        assert page.evaluate("same")


def test_everything_is_reached_by_keyboard_alone(desk: Desk) -> None:
    with desk.page(LOOK) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        for _ in range(4):  # search, order, its button, the first chip
            page.keyboard.press("Tab")
        chip = page.get_by_role("link", name="parked 1")
        for _ in range(6):
            page.keyboard.press("Tab")
        expect(chip).to_be_focused()
        assert chip.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"

        page.keyboard.press("Enter")

        expect(page.locator("#results tbody tr")).to_have_count(1)
        expect(chip).to_be_focused()  # it is a new one, in place of the old
        expect(chip).to_have_attribute("aria-current", "true")
        for _ in list(TargetState)[
            list(TargetState).index(TargetState.PARKED) :
        ]:  # the chips behind, the row
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("support/parked")


def test_an_operator_redelivers_in_place_and_a_viewer_has_no_button(desk: Desk) -> None:
    desk.environment.inbox.set_state([desk.delivery], DeliveryState.DONE)
    with desk.page() as page:
        page.goto(f"/deliveries/{desk.delivery}")
        page.evaluate("window.same = true")

        page.get_by_role("button", name="Redeliver").click()

        expect(page.get_by_role("status")).to_contain_text("It is new again")
        assert page.evaluate("same")
        assert [one.id for one in desk.environment.inbox.find_new(10)] == [desk.delivery]
    with desk.page(LOOK) as page:
        page.goto(f"/deliveries/{desk.delivery}")
        expect(page.get_by_role("button")).to_have_text(["Sign out"])


def test_a_button_that_was_pressed_by_keyboard_keeps_the_focus(desk: Desk) -> None:
    with desk.page() as page:
        for path, name in (
            ("/prompts/support/17", "Look again at latest"),
            (f"/deliveries/{desk.delivery}", "Redeliver"),
        ):
            page.goto(path)
            page.get_by_role("button", name=name).focus()
            page.keyboard.press("Enter")

            expect(page.get_by_role("status")).to_be_visible()
            expect(page.get_by_role("button", name=name)).to_be_focused()


def test_on_a_phone_a_chart_begins_with_the_newest_day(desk: Desk) -> None:
    with desk.page(**PHONE) as page:
        page.goto("/charts?days=7")
        for chart in page.locator("svg.chart[role=img]").all():
            box = chart.locator("text[text-anchor=middle]").last.bounding_box()

            assert box is not None
            assert 0 < box["x"] < box["x"] + box["width"] <= PHONE["viewport"]["width"]


def test_no_page_is_wider_than_a_phone(desk: Desk) -> None:
    with desk.page(**PHONE) as page:
        for path in desk.paths:
            page.goto(path)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(desk: Desk, scheme: str) -> None:
    """WCAG's AA: 4.5 to 1."""
    with desk.page(color_scheme=scheme) as page:
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(22, 23, 25)") is (scheme == "dark")
        for path in desk.paths:
            page.goto(path)
            faint = [text for contrast, text in page.evaluate(CONTRASTS) if contrast < 4.5]
            assert faint == [], path


def test_a_slash_focuses_the_search_and_is_typed_where_one_types(desk: Desk) -> None:
    with desk.page() as page:
        search = page.get_by_label("Search by name or id")
        page.keyboard.press("/")
        expect(search).to_be_focused()
        expect(search).to_have_value("")
        page.keyboard.press("/")
        expect(search).to_have_value("/")


def test_times_are_in_the_zone_of_the_reader(desk: Desk) -> None:
    """The delivery was received at 11:59:56, UTC."""
    path = f"/deliveries/{desk.delivery}"
    for zone, words in (("Asia/Tokyo", "8:59:56 PM"), ("America/New_York", "6:59:56 AM")):
        with desk.page(LOOK, timezone_id=zone, locale="en-US") as page:
            page.goto(path)
            expect(page.locator("time.full").first).to_contain_text(words)
    with desk.page(LOOK, java_script_enabled=False) as page:
        page.goto(path)
        expect(page.locator("time.full").first).to_have_text("2026-01-02 11:59:56 UTC")


def test_a_prompts_page_updates_itself_and_its_open_folds_stay_open(desk: Desk) -> None:
    with desk.page() as page:
        page.clock.install()
        page.goto("/prompts/support/17")
        fold = page.locator("details[id^=fold]").first
        fold.locator("summary").click()
        expect(fold).to_have_attribute("open", "")
        changed = replace(
            entry(desk.environment, 17, TargetState.CONFLICT, "support/reply"),
            reason="the difference is another one",
        )
        write(desk.environment, [changed])

        page.clock.fast_forward(11_000)

        expect(page.locator("#live")).to_contain_text("the difference is another one")
        expect(fold).to_have_attribute("open", "")
        expect(page.locator("details[id^=choices]")).not_to_have_attribute("open", "")
    conflict_of_a_prompt(desk.environment)


def test_an_operator_chooses_a_text_by_keyboard(desk: Desk) -> None:
    with desk.page() as page:
        page.goto("/prompts/support/17")
        page.locator("details.choices summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        button = page.get_by_role("button", name="Take the repository’s text at latest")
        expect(button).to_be_focused()
        page.keyboard.press("Enter")

        expect(page.get_by_role("status")).to_contain_text("takes the repository's text at latest")
        expect(button).to_be_focused()
    newest = desk.environment.inbox.list_recent(1)[0]
    request = parse_operator_request(newest)
    assert request is not None
    assert (request.target.mapping, request.adopt) == (MAPPING, AdoptedSide.REPOSITORY)


def test_everything_works_without_javascript(desk: Desk) -> None:
    desk.environment.inbox.set_state([desk.delivery], DeliveryState.DONE)
    desk.sessions.clear()
    with desk.page(java_script_enabled=False) as page:
        page.get_by_label("Search by name or id").fill("repl")
        page.get_by_role("button", name="Search").click()
        assert rows(page) == ["support/reply"]
        page.goto(f"/deliveries/{desk.delivery}")
        page.get_by_role("button", name="Redeliver").click()
        expect(page.get_by_role("status")).to_contain_text("It is new again")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    desk.sessions.clear()
