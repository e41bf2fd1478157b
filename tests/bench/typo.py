"""``withdrawn_by_typo``: a mapping's settings get a typo, or PromptLayer suddenly shows few prompts;
then all is as before. Which pull requests, files and decisions did that cost?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.config.mapping import MappingSettings
from bridge.prompts.file import render
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.sandbox.entries import chat
from tests.bench.figure import Figure, none_of
from tests.integration.changing_app import ChangingApp
from tests.integration.lifecycle.place import place_on
from tests.integration.lifecycle.world import World
from tests.standins.serving import serve

TYPOS: Mapping[str, Mapping[str, Any]] = {
    "a pattern": {"prompts": ["supprt/**"]},
    "an exclusion": {"prompts": ["**", "!support/**"]},
    "a tag": {"tags": ["uE"]},
    "a folder": {"folder": "Suport"},
    "a label": {"track": ["latst"]},
}
_MERGED, _OPEN = 12, 6  # prompts; one more is declined


@dataclass
class TypoTrial:
    """A world with prompts in every state, whose settings change and change back."""

    world: World

    def begin(self) -> None:
        for number in range(_MERGED):
            self._save(f"support/merged{number}")
        saved = (item.prompt for item in self.world.platform.prompts())
        files = {
            f"prompts/latest/{p.name}.yaml": render(PromptFile(p, LATEST)).encode() for p in saved
        }
        self.world.place.commit(files)
        self._save("support/declined")
        self.world.sweep()
        self.world.place.close(self.world.pull_request().number)
        for number in range(_OPEN):
            self._save(f"support/open{number}")
        self.world.sweep()

    def withdrawn(self, changes: Mapping[str, Any]) -> int:
        """Pull requests that a change of the settings, and the way back, closed or opened."""
        before, settings = self._open(), self.world.settings[0]
        told = {**settings.model_dump(exclude_unset=True), **changes}
        self._configure(MappingSettings.model_validate(told))
        during = self._open()
        self._configure(settings)
        return len(before ^ during) + len(before ^ self._open())

    def withdrawn_by_few(self) -> int:
        """The same, where PromptLayer shows a third of the prompts for a while."""
        before, entries = self._open(), dict(self.world.registry.entries)
        for id in list(entries)[len(entries) // 3 :]:
            del self.world.registry.entries[id]
        self.world.sweep()
        during = self._open()
        self.world.registry.entries.update(entries)
        self.world.sweep()
        return len(before ^ during) + len(before ^ self._open())

    def _open(self) -> set[int]:
        return {pull.number for pull in self.world.place.open()}

    def _configure(self, settings: MappingSettings) -> None:
        self.world.settings[0] = settings
        site = self.world.worker.sites["support"]
        self.world.worker.sites = {"support": replace(site, mapping=settings)}
        self.world.sweep()

    def _save(self, name: str) -> None:
        self.world.registry.save(name, chat(("system", f"Be kind, {name}.")), tags=["eu"])
        self.world.post.lose()


@contextmanager
def typo_trial(**mapping: Any) -> Iterator[TypoTrial]:
    """With these settings besides."""
    changing = ChangingApp()
    told = {"name": "support", "prompts": ["support/**"], **mapping}
    with (
        tempfile.TemporaryDirectory() as folder,
        place_on("local", Path(folder) / "forge") as place,
        serve(changing) as url,
    ):
        world = World(place, Path(folder), url, [told])
        changing.app = world.address
        with closing(world):
            trial = TypoTrial(world)
            trial.begin()
            yield trial


def measure() -> Iterator[Figure]:
    with typo_trial() as trial:
        count = sum(trial.withdrawn(changes) for changes in TYPOS.values())
        count += trial.withdrawn_by_few()
    cases = len(TYPOS) + 1
    yield none_of("withdrawn_by_typo", count, f"pull requests closed or opened in {cases} cases")
