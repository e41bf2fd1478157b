"""The pictures of the README: an afternoon in the demo, seen on its dashboard. ``make pictures``"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.demo_actions import DEMO_EDITOR, DEMO_MODEL, build_template
from bridge.sandbox.demo_environment import (
    DEMO_LABEL,
    DemoEnvironment,
    open_demo_environment,
    wait_until,
)
from tests.integration.dashboard.chromium import chromium_path

DOCS = Path(__file__).parents[1] / "docs"
LIMIT = 200_000  # bytes of one picture

MILA = EventUser(8, "Mila Novak", "mila@example.com")
OMAR = EventUser(9, "Omar Haddad", "omar@example.com")

REPLY = "support/reply"
CONFLICT = "support/summary"
IN_STEP = (
    ("onboarding/welcome", MILA, "Say hello by name"),
    ("sales/follow-up", OMAR, "First draft"),
    ("support/escalate", DEMO_EDITOR, "When to call a person"),
    ("support/summary", OMAR, "Three bullet points"),
    ("triage/classify", MILA, "Five categories"),
)
PROPOSED = (
    ("onboarding/checklist", OMAR, "One step at a time"),
    ("support/apology", MILA, "Own the mistake"),
    ("triage/language", DEMO_EDITOR, "Name the language first"),
)
LEAK = "sk-" + "proj-" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"

WIDE: Any = {"viewport": {"width": 1180, "height": 860}}
TALL: Any = {"viewport": {"width": 1180, "height": 1240}}
PHONE: Any = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5}


@dataclass(frozen=True)
class Afternoon:
    """What people do, each waiting for what the bridge makes of it."""

    environment: DemoEnvironment
    told: Callable[[], str]  # the counts, as the dashboard tells them

    def pass_by(self) -> None:
        self._drafts()
        self._merge_all()
        self._reply_goes_round()
        for name, who, why in PROPOSED:
            self._save(name, "briefly", why, who)
        self._save("sales/discount", "generously", "Ten percent for everybody", OMAR)
        self._until_open(len(PROPOSED) + 2)
        self.environment.forge.close(self._open_of("sales/discount"))
        self._save("support/lookup", f"with the key {LEAK}", "Look the order up", MILA)
        self._both_sides_edit()
        self._until_told("conflict 1")
        self._until_told("parked 1")
        self._until_told("declined 1")
        self._until_told("waiting 0")

    def _drafts(self) -> None:
        for name, who, why in (*IN_STEP, (REPLY, DEMO_EDITOR, "First draft")):
            self._save(name, "kindly", why, who)
        self._until_open(len(IN_STEP) + 1)

    def _reply_goes_round(self) -> None:
        """Saved, merged, edited by an engineer, published, and its label moved."""
        self._save(REPLY, "briefly", "Shorter answers", DEMO_EDITOR)
        self._until_open(1)
        self._merge_all()
        engineer, path = self.environment.engineer, f"prompts/latest/{REPLY}.yaml"
        engineer.merge(engineer.edit(path, "help desk", "help desk at once", why="Name it at once"))
        entry = self.environment.registry.find_entry_by_name(REPLY)
        wait_until(lambda: len(entry.versions) == 3, "the engineer's edit was not published")
        self.environment.registry.move_label(entry.id, DEMO_LABEL, 3, actor=DEMO_EDITOR)
        self._until_open(1)

    def _both_sides_edit(self) -> None:
        """An engineer and an editor change the same message, and neither sees the other's."""
        engineer, path = self.environment.engineer, f"prompts/latest/{CONFLICT}.yaml"
        self._save(CONFLICT, "in two sentences", "Two sentences", OMAR)
        engineer.merge(engineer.edit(path, "kindly", "in one sentence", why="One sentence"))

    def _save(self, name: str, tone: str, why: str, who: EventUser) -> None:
        text: JsonObject = build_template(tone)
        self.environment.registry.save_version(
            name, text, metadata=DEMO_MODEL, commit_message=why, actor=who
        )

    def _merge_all(self) -> None:
        for pull in self.environment.forge.list_open_pull_requests("promptlayer/"):
            self.environment.forge.merge(pull.number, "squash")
        self._until_told("pull request open 0")

    def _open_of(self, name: str) -> int:
        id = self.environment.registry.find_entry_by_name(name).id
        (pull,) = self.environment.forge.list_open_pull_requests(f"promptlayer/support/latest/{id}")
        return pull.number

    def _until_open(self, count: int) -> None:
        found = self.environment.forge.list_open_pull_requests
        wait_until(
            lambda: len(found("promptlayer/")) == count, f"{count} pull requests are not open"
        )
        self._until_told(f"pull request open {count}")

    def _until_told(self, words: str) -> None:
        wait_until(lambda: words in self.told(), f"the dashboard does not say “{words}”")


@contextmanager
def window(browser: Browser, environment: DemoEnvironment, **context: Any) -> Iterator[Page]:
    opened = browser.new_context(base_url=environment.addresses["bridge"], **context)
    page = opened.new_page()
    page.goto("/")
    page.get_by_label("Shared secret").fill(environment.dashboard_secret)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("#results")
    yield page
    opened.close()


def take(page: Page, path: str, name: str) -> None:
    page.goto(path)
    picture = DOCS / f"{name}.png"
    size = len(page.screenshot(path=picture))
    if size > LIMIT:
        raise SystemExit(f"{picture} has {size} bytes; the limit is {LIMIT}")
    print(f"{picture.relative_to(DOCS.parent)}  {size // 1000} kB")


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_demo_environment(Path(folder) / "demo", fixed_ports=False) as environment,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        with window(browser, environment, **WIDE) as page:
            _pass_by(environment, page)
            take(page, "/", "dashboard")
        with window(browser, environment, **TALL) as page:
            id = environment.registry.find_entry_by_name(REPLY).id
            take(page, f"/prompts/support/{id}", "dashboard-prompt")
            id = environment.registry.find_entry_by_name(CONFLICT).id
            take(page, f"/prompts/support/{id}", "dashboard-difference")
        with window(browser, environment, color_scheme="dark", **WIDE) as page:
            take(page, "/deliveries", "dashboard-dark")
        with window(browser, environment, **PHONE) as page:
            take(page, "/?order=newest", "dashboard-phone")
        browser.close()


def _pass_by(environment: DemoEnvironment, page: Page) -> None:
    def told() -> str:
        page.goto("/")
        return " ".join(page.locator(".chips").inner_text().split())

    Afternoon(environment, told).pass_by()


if __name__ == "__main__":
    main()
