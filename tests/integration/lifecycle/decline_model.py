"""Random decisions on proposals, rolling and single, against saves in PromptLayer.

Every save has a word of its own, so that what was declined is never right to be proposed again, and
what nobody declined has to be.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from bridge.config.mapping_settings import MappingSettings
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.target import Target
from bridge.reconcile.declined_changes import DeclinedChanges
from bridge.reconcile.target_diff import DeclinedChange
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment

NAMES = ("reply", "greet", "support/thank", "support/ask", "hello")
GROUPS = ("mapping", "prompt")

_WORDS = re.compile(r"\bsaved\d+\b")


@contextmanager
def forgotten_decisions() -> Iterator[None]:
    """A planted fault: no change of a closed proposal counts as declined."""
    find = DeclinedChanges.find

    def find_none(
        _self: DeclinedChanges, _edits: Mapping[Target, FileEdit]
    ) -> dict[Target, DeclinedChange]:
        return {}

    DeclinedChanges.find = find_none  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        DeclinedChanges.find = find  # type: ignore[method-assign]


class DeclineModel:
    """One step is one deed of somebody, and then perhaps a look."""

    def __init__(self, environment: BridgeEnvironment, seed: int, *, regroups: bool = True) -> None:
        self.environment = environment
        self.draw = random.Random(seed)
        self.happened: list[str] = []
        self.declined_again: list[str] = []
        self.missing: list[str] = []  # neither declined nor merged, and not proposed
        self._regroups = regroups
        self._newest: dict[str, str] = {}  # prompt → its newest word
        self._declined: set[str] = set()

    def step(self) -> None:
        deeds: list[Callable[[], None]] = [
            *[self._save] * 5,
            *[self._close] * 3,
            *[self._merge] * 2,
            self._touch_base,
            self._forget,
        ]
        if self._regroups:
            deeds.append(self._regroup)
        deed = self.draw.choice(deeds)
        self.happened.append(deed.__name__.strip("_"))
        deed()
        if self.draw.random() < 0.7:
            self._look()

    def _look(self) -> None:
        swept = self.draw.random() < 0.4
        if swept:
            self.environment.sweep()
            self.environment.settle(patience=120)
        else:
            self.environment.settle(patience=120)
        proposed = self._proposed()
        again = sorted(proposed & self._declined)
        self.declined_again += [self._told(word) for word in again]
        self._declined -= set(again)  # each is told once
        if swept:
            there = proposed | self._declined | self._merged()
            missing = sorted(set(self._newest.values()) - there)
            self.missing += [self._told(word) for word in missing]

    def _told(self, word: str) -> str:
        return f"{word} after {', '.join(self.happened[-12:])}"

    def _save(self) -> None:
        name = self.draw.choice(NAMES)
        word = f"saved{len(self.happened)}"
        self._newest[name] = word
        self.environment.save(f"Say {word}.", name)

    def _close(self) -> None:
        found = self.environment.repository.open()
        if found:
            pull = self.draw.choice(found)
            self._declined |= self._changed(pull.head_branch)
            self.environment.repository.close(pull.number)

    def _merge(self) -> None:
        found = self.environment.repository.open()
        if found:
            self.environment.repository.merge(
                self.draw.choice(found), self.draw.choice(["merge", "squash"])
            )

    def _touch_base(self) -> None:
        self.environment.repository.commit({"src/bot.py": b"%d\n" % len(self.happened)})

    def _forget(self) -> None:
        """The database and the clone are lost, after the bridge has heard of everything."""
        self.environment.settle(patience=120)
        self.environment.forget_everything()

    def _regroup(self) -> None:
        """The mapping goes from one pull request to one for each prompt, or back, after the bridge
        has seen what was decided."""
        self.environment.sweep()
        told = self.environment.settings[0].model_dump(exclude_unset=True)
        group = GROUPS[self.environment.settings[0].pull_request.group == GROUPS[0]]
        told["pull_request"] = {**told.get("pull_request", {}), "group": group}
        mapping = MappingSettings.model_validate(told)
        self.environment.settings[0] = mapping
        context = self.environment.controller.contexts[mapping.name]
        self.environment.controller.contexts = {mapping.name: replace(context, mapping=mapping)}
        for _ in range(3):  # old pull requests go first
            self.environment.sweep()

    def _changed(self, branch: str) -> set[str]:
        """The words that a branch brings. A branch that is left behind its base still has words
        that the base branch has no longer: they are nothing that it proposes."""
        fork = self.environment.repository.merge_base(branch)
        return self._words(branch) - self._words(fork) - self._words("main")

    def _proposed(self) -> set[str]:
        return {
            word
            for pull in self.environment.repository.open()
            for word in self._changed(pull.head_branch)
        }

    def _merged(self) -> set[str]:
        return set(_WORDS.findall(self.environment.repository.history_text("main")))

    def _words(self, revision: str) -> set[str]:
        return set(_WORDS.findall(self.environment.repository.grep("prompts", revision)))
