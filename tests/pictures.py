"""The pictures of the README: an afternoon in the demo, seen on its dashboard. ``make pictures``"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bridge.promptlayer.events import User
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.demo_hand import JANE, MODEL, template
from bridge.sandbox.scene import LABEL, Scene, opened_scene, wait_for
from tests.integration.dashboard.chromium import chromium_path

DOCS = Path(__file__).parents[1] / "docs"
LIMIT = 200_000  # bytes of one picture

MILA = User(8, "Mila Novak", "mila@example.com")
OMAR = User(9, "Omar Haddad", "omar@example.com")

REPLY = "support/reply"
IN_STEP = (
    ("onboarding/welcome", MILA, "Say hello by name"),
    ("sales/follow-up", OMAR, "First draft"),
    ("support/escalate", JANE, "When to call a person"),
    ("support/summary", OMAR, "Three bullet points"),
    ("triage/classify", MILA, "Five categories"),
)
PROPOSED = (
    ("onboarding/checklist", OMAR, "One step at a time"),
    ("support/apology", MILA, "Own the mistake"),
    ("triage/language", JANE, "Name the language first"),
)
LEAK = "sk-" + "proj-" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"

WIDE: Any = {"viewport": {"width": 1180, "height": 860}}
TALL: Any = {"viewport": {"width": 1180, "height": 1240}}
PHONE: Any = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5}


@dataclass(frozen=True)
class Afternoon:
    """What people do, each waiting for what the bridge makes of it."""

    scene: Scene
    told: Callable[[], str]  # the counts, as the dashboard tells them

    def pass_by(self) -> None:
        self._drafts()
        self._merge_all()
        self._reply_goes_round()
        for name, who, why in PROPOSED:
            self._save(name, "briefly", why, who)
        self._save("sales/discount", "generously", "Ten percent for everybody", OMAR)
        self._until_open(len(PROPOSED) + 2)
        self.scene.forge.close(self._open_of("sales/discount"))
        self._save("support/lookup", f"with the key {LEAK}", "Look the order up", MILA)
        self._until_told("parked 1")
        self._until_told("declined 1")
        self._until_told("waiting 0")

    def _drafts(self) -> None:
        for name, who, why in (*IN_STEP, (REPLY, JANE, "First draft")):
            self._save(name, "kindly", why, who)
        self._until_open(len(IN_STEP) + 1)

    def _reply_goes_round(self) -> None:
        """Saved, merged, edited by an engineer, published, and its label moved."""
        self._save(REPLY, "briefly", "Shorter answers", JANE)
        self._until_open(1)
        self._merge_all()
        engineer, path = self.scene.engineer, f"prompts/latest/{REPLY}.yaml"
        engineer.merge(engineer.edit(path, "help desk", "help desk at once", why="Name it at once"))
        entry = self.scene.registry.entry_named(REPLY)
        wait_for(lambda: len(entry.versions) == 3, "the engineer's edit was not published")
        self.scene.registry.move_label(entry.id, LABEL, 3, actor=JANE)
        self._until_open(1)

    def _save(self, name: str, tone: str, why: str, who: User) -> None:
        text: JsonObject = template(tone)
        self.scene.registry.save(name, text, metadata=MODEL, commit_message=why, actor=who)

    def _merge_all(self) -> None:
        for pull in self.scene.forge.open_pull_requests("promptlayer/"):
            self.scene.forge.merge(pull.number, "squash")
        self._until_told("pull request open 0")

    def _open_of(self, name: str) -> int:
        id = self.scene.registry.entry_named(name).id
        (pull,) = self.scene.forge.open_pull_requests(f"promptlayer/support/latest/{id}")
        return pull.number

    def _until_open(self, count: int) -> None:
        found = self.scene.forge.open_pull_requests
        wait_for(lambda: len(found("promptlayer/")) == count, f"{count} pull requests are not open")
        self._until_told(f"pull request open {count}")

    def _until_told(self, words: str) -> None:
        wait_for(lambda: words in self.told(), f"the dashboard does not say “{words}”")


@contextmanager
def window(browser: Browser, scene: Scene, **context: Any) -> Iterator[Page]:
    opened = browser.new_context(base_url=scene.addresses["bridge"], **context)
    page = opened.new_page()
    page.goto("/")
    page.get_by_label("Shared secret").fill(scene.dashboard_secret)
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
        opened_scene(Path(folder) / "demo", fixed_ports=False) as scene,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        with window(browser, scene, **WIDE) as page:
            _pass_by(scene, page)
            take(page, "/", "dashboard")
        with window(browser, scene, **TALL) as page:
            id = scene.registry.entry_named(REPLY).id
            take(page, f"/prompts/support/{id}", "dashboard-prompt")
        with window(browser, scene, color_scheme="dark", **WIDE) as page:
            take(page, "/deliveries", "dashboard-dark")
        with window(browser, scene, **PHONE) as page:
            take(page, "/?order=newest", "dashboard-phone")
        browser.close()


def _pass_by(scene: Scene, page: Page) -> None:
    def told() -> str:
        page.goto("/")
        return " ".join(page.locator(".chips").inner_text().split())

    Afternoon(scene, told).pass_by()


if __name__ == "__main__":
    main()
