"""``withdrawn_by_typo``: a mapping's settings get a typo, or PromptLayer suddenly shows few prompts;
then all is as before. Which pull requests, files and decisions did that cost?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.config.mapping_settings import MappingSettings
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.sandbox.registry_entries import build_chat_template
from tests.bench.figure import Figure, none_of
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.lifecycle.forge_repository import create_forge_repository
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve

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

    environment: BridgeEnvironment

    def begin(self) -> None:
        for number in range(_MERGED):
            self._save(f"support/merged{number}")
        saved = (item.prompt for item in self.environment.promptlayer.list_prompts())
        files = {
            f"prompts/latest/{p.name}.yaml": render_prompt_file(PromptFile(p, LATEST)).encode()
            for p in saved
        }
        self.environment.repository.commit(files)
        self._save("support/declined")
        self.environment.sweep()
        self.environment.repository.close(self.environment.pull_request().number)
        for number in range(_OPEN):
            self._save(f"support/open{number}")
        self.environment.sweep()

    def withdrawn(self, changes: Mapping[str, Any]) -> int:
        """Pull requests that a change of the settings, and the way back, closed or opened."""
        before, settings = self._open(), self.environment.settings[0]
        told = {**settings.model_dump(exclude_unset=True), **changes}
        self._configure(MappingSettings.model_validate(told))
        during = self._open()
        self._configure(settings)
        return len(before ^ during) + len(before ^ self._open())

    def withdrawn_by_few(self) -> int:
        """The same, where PromptLayer shows a third of the prompts for a while."""
        before, entries = self._open(), dict(self.environment.registry.entries)
        for id in list(entries)[len(entries) // 3 :]:
            del self.environment.registry.entries[id]
        self.environment.sweep()
        during = self._open()
        self.environment.registry.entries.update(entries)
        self.environment.sweep()
        return len(before ^ during) + len(before ^ self._open())

    def _open(self) -> set[int]:
        return {pull.number for pull in self.environment.repository.open()}

    def _configure(self, settings: MappingSettings) -> None:
        self.environment.settings[0] = settings
        context = self.environment.controller.contexts["support"]
        self.environment.controller.contexts = {"support": replace(context, mapping=settings)}
        self.environment.sweep()

    def _save(self, name: str) -> None:
        self.environment.registry.save_version(
            name, build_chat_template(("system", f"Be kind, {name}.")), tags=["eu"]
        )
        self.environment.post.lose()


@contextmanager
def typo_trial(**mapping: Any) -> Iterator[TypoTrial]:
    """With these settings besides."""
    changing = SwitchableApp()
    told = {"name": "support", "prompts": ["support/**"], **mapping}
    with (
        tempfile.TemporaryDirectory() as folder,
        create_forge_repository("local", Path(folder) / "forge") as repository,
        serve(changing) as url,
    ):
        environment = BridgeEnvironment(repository, Path(folder), url, [told])
        changing.app = environment.address
        with closing(environment):
            trial = TypoTrial(environment)
            trial.begin()
            yield trial


def measure() -> Iterator[Figure]:
    with typo_trial() as trial:
        count = sum(trial.withdrawn(changes) for changes in TYPOS.values())
        count += trial.withdrawn_by_few()
    cases = len(TYPOS) + 1
    yield none_of("withdrawn_by_typo", count, f"pull requests closed or opened in {cases} cases")
