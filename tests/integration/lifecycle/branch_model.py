"""Random people at work on proposals' branches, against everything that happens in PromptLayer.

Every word that anybody writes is one of its own, so that after each look it can be asked of each
word of a person whether it is still there: on the branch, on a branch that was left for people, on
the base, or overwritten by a person. And of each word that is proposed, whether anybody wrote it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.forge.forge import PullRequest
from bridge.reconcile import proposal_state
from bridge.reconcile.proposal_branch import BranchTip, read_branch_tip
from tests.integration.lifecycle.bridge_environment import BOB, JANE, BridgeEnvironment
from tests.integration.lifecycle.clone import Clone

NAMES = ("support/reply", "sales/pitch", "hello")
LINES = 6
TRACKED = ("latest", "prod")
MAPPING = {"track": list(TRACKED)}

_PERSONS = re.compile(r"\bsam\d+\b")
_WORDS = re.compile(r"\b(?:sam|saved)\d+\b")


@contextmanager
def everything_counts_as_the_bridges() -> Iterator[None]:
    """A planted fault: whoever committed what, the bridge takes the branch for its own."""

    def blind(*told: Any, **more: Any) -> BranchTip | None:
        tip = read_branch_tip(*told, **more)
        return replace(tip, has_commits_of_people=False) if tip else None

    proposal_state.read_branch_tip = blind  # type: ignore[attr-defined]
    try:
        yield
    finally:
        proposal_state.read_branch_tip = read_branch_tip  # type: ignore[attr-defined]


@dataclass
class Losses:
    """What must never be."""

    words: list[str] = field(default_factory=list)  # of people, that are gone
    strange: list[str] = field(default_factory=list)  # proposed, though nobody wrote it


class BranchModel:
    """One step is one deed of somebody, and then perhaps a look."""

    def __init__(self, environment: BridgeEnvironment, folder: Path, seed: int) -> None:
        self.environment = environment
        self.sam = Clone(environment.repository.repository, folder)
        self.draw = random.Random(seed)
        self.happened: list[str] = []
        self.losses = Losses()
        self._count = 0
        self._texts: dict[int, list[str]] = {}  # prompt id → the lines it was saved with last
        self._alive: set[str] = set()  # words of people that have to be somewhere
        self._written: set[str] = set()

    def step(self) -> None:
        deed = self.draw.choice(self._deeds())
        before = self._persons_words()
        self.happened.append(deed.__name__.strip("_"))
        deed()
        # What a person's own deed took away is not lost.
        self._alive = (self._alive - (before - self._persons_words())) | self._persons_words()
        if self.draw.random() < 0.7:
            self.look()

    def look(self) -> None:
        self.environment.sweep() if self.draw.random() < 0.3 else self.environment.settle(
            patience=120
        )
        there = self._persons_words()
        self.losses.words += [self._told(word) for word in sorted(self._alive - there)]
        self._alive &= there
        proposed = {
            word
            for pull in self.environment.repository.open()
            for word in self._words(pull.head_branch)
        }
        self.losses.strange += [self._told(word) for word in sorted(proposed - self._written)]

    def _told(self, word: str) -> str:
        return f"{word} after {', '.join(self.happened[-12:])}"

    def _deeds(self) -> list[Callable[[], None]]:
        people = [
            *[self._commit] * 3,
            *[self._amend] * 2,
            self._squash,
            self._reword,
            self._rebase,
            self._merge_base_in,
            self._take_out,
            self._move,
            self._revert,
        ]
        platform = [*[self._save] * 5, self._rename, self._delete, *[self._move_label] * 2]
        return [*people, *platform, self._merge, self._touch_base]

    # People on the branch

    def _commit(self) -> None:
        self._edit(lambda branch, files: self.sam.commit(branch, files))

    def _amend(self) -> None:
        self._edit(lambda branch, files: self.sam.amend(branch, files))

    def _edit(self, write: Callable[[str, dict[str, str | None]], None]) -> None:
        for pull, path in self._some_file():
            text = self.environment.repository.text(path, pull.head_branch) or ""
            old = self.draw.choice(re.findall(r"\bline\d+\b", text) or [""])
            if old:
                write(
                    pull.head_branch,
                    {path: text.replace(f"{old} ", f"{old} {self._word('sam')} ", 1)},
                )

    def _squash(self) -> None:
        for pull in self._some_pull():
            words = self.draw.choice([None, "All of it"])
            if self.environment.repository.log(pull.head_branch, "%H"):
                self.sam.squash(pull.head_branch, "main", words)

    def _reword(self) -> None:
        for pull in self._some_pull():
            self.sam.amend(pull.head_branch, {}, "feat(prompts): other words")

    def _rebase(self) -> None:
        for pull in self._some_pull():
            self.sam.rebase(pull.head_branch, "main")

    def _merge_base_in(self) -> None:
        for pull in self._some_pull():
            self.sam.merge(pull.head_branch, "main")

    def _take_out(self) -> None:
        for pull, path in self._some_file():
            self.sam.commit(pull.head_branch, {path: self.environment.repository.text(path)})

    def _move(self) -> None:
        for pull, path in self._some_file():
            self._count += 1
            to = f"prompts/{path.split('/')[1]}/moved/{self._count}.yaml"
            self.sam.move(pull.head_branch, path, to)

    def _revert(self) -> None:
        for pull in self._some_pull():
            if self.environment.repository.log(pull.head_branch, "%H"):
                self.sam.revert(pull.head_branch)

    # PromptLayer, and the base

    def _save(self) -> None:
        name = self.draw.choice(NAMES)
        known = {self.environment.registry.find_entry(id).name: id for id in self._active()}
        lines = list(self._texts.get(known.get(name, 0), [f"line{n} end" for n in range(LINES)]))
        at = self.draw.randrange(LINES)
        lines[at] = f"line{at} {self._word('saved')} end"
        text = "\n".join(lines)
        id = self.environment.save(text, name, by=self.draw.choice([JANE, BOB]))
        self._texts[id] = lines

    def _rename(self) -> None:
        for id in self._some_prompt():
            taken = {self.environment.registry.find_entry(each).name for each in self._active()}
            name = self.draw.choice([*NAMES, "other", "support/answer"])
            if name not in taken:
                self.environment.registry.rename(id, name)

    def _delete(self) -> None:
        if len(self._active()) > 1:  # none at all looks like a wrong key
            for id in self._some_prompt():
                self.environment.registry.delete(id)

    def _move_label(self) -> None:
        for id in self._some_prompt():
            versions = len(self.environment.registry.find_entry(id).versions)
            self.environment.registry.move_label(id, "prod", self.draw.randint(1, versions))

    def _merge(self) -> None:
        for pull in self._some_pull():
            if self.sam.can_merge(pull.head_branch, "main"):
                self.environment.repository.merge(pull, self.draw.choice(["merge", "squash"]))

    def _touch_base(self) -> None:
        self._count += 1
        self.environment.repository.commit({f"src/bot{self._count % 3}.py": b"%d\n" % self._count})

    # Drawing and looking

    def _word(self, whose: str) -> str:
        self._count += 1
        word = f"{whose}{self._count}"
        self._written.add(word)
        return word

    def _some_pull(self) -> list[PullRequest]:
        found = self.environment.repository.open()
        return [self.draw.choice(found)] if found else []

    def _some_file(self) -> Iterator[tuple[PullRequest, str]]:
        for pull in self._some_pull():
            changed = self.environment.repository.changed(
                pull.head_branch
            ) & self.environment.repository.paths(pull.head_branch)
            paths = sorted(path for path in changed if path.startswith("prompts/"))
            if paths:
                yield pull, self.draw.choice(paths)

    def _some_prompt(self) -> list[int]:
        ids = self._active()
        return [self.draw.choice(ids)] if ids else []

    def _active(self) -> list[int]:
        return [id for id, entry in self.environment.registry.entries.items() if not entry.deleted]

    def _words(self, revision: str, pattern: re.Pattern[str] = _WORDS) -> set[str]:
        """The words in the prompt files of a branch."""
        return set(pattern.findall(self.environment.repository.grep("prompts", revision)))

    def _persons_words(self) -> set[str]:
        """People's words that are on any branch, or have ever been on the base."""
        revisions = self.environment.repository.branches()
        merged = set(_PERSONS.findall(self.environment.repository.history_text("main")))
        return merged.union(*(self._words(each, _PERSONS) for each in revisions))
