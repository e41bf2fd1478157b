"""People on both sides: they save, rename and move labels in PromptLayer, commit, merge and close.

Every edit writes a word that was never written before, so that each text can be followed.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from contextlib import suppress

from bridge.errors import BridgeError
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.sandbox.registry_entries import build_chat_template
from tests.chaos.chaos_environment import LABEL, ChaosEnvironment
from tests.e2e.product_environment import API_KEY
from tests.standins.git_http import git
from tests.standins.github_state import Pull, Refusal

_WORD = re.compile(r"w\d+x")
_ROLES = ("system", "user", "assistant")
DEVELOP = "develop"  # another base, with work that the default branch does not have
_METHODS = ("merge", "squash", "rebase")


class RandomUsers:
    """``draw`` decides what they do. What they have to choose from is up to the bridge."""

    def __init__(self, environment: ChaosEnvironment, draw: random.Random, prompts: int) -> None:
        self.environment = environment
        self.draw = draw
        self.acts: Counter[str] = Counter()
        self.dropped: set[str] = set()  # words that a person wrote over, or chose to let go
        self._merged: dict[int, set[str]] = {}  # by pull request: words that were gone with it
        self.base_changes: list[float] = []  # moments of the monotonic clock
        self._words = 0
        self._base: str | None = None
        for number in range(prompts):
            self._save_first(number)
        environment.environment.repository.push(
            "main", self._first_files(), "Begin with these prompts"
        )
        environment.environment.repository.push(
            DEVELOP, {"unfinished/plan.txt": b"Not yet.\n"}, "Begin"
        )

    def act(self) -> None:
        """Do one thing."""
        acts = [self._save] * 8 + [self._edit] * 6 + [self._merge] * 6 + [self._move_label] * 2
        rare = [self._close, self._rename, self._rename_trunk, self._change_base]
        chosen = self.draw.choice([*acts, *rare])
        with suppress(Refusal, BridgeError):  # a conflict, or somebody was quicker: so it is
            if chosen():
                self.acts[chosen.__name__.strip("_").replace("_", " ")] += 1

    # What they do

    def _save_first(self, number: int) -> None:
        template = build_chat_template(*((role, self._word()) for role in _ROLES))
        labels = [LABEL] if number % 2 == 0 else []
        self.environment.environment.registry.save_version(
            f"support/p{number}", template, labels=labels
        )

    def _first_files(self) -> dict[str, bytes]:
        with PromptLayerClient(
            API_KEY, base_url=self.environment.environment.platform_url
        ) as promptlayer:
            saved = [item.prompt for item in promptlayer.list_prompts()]
        return {
            f"prompts/latest/{prompt.name}.yaml": render_prompt_file(
                PromptFile(prompt, LATEST)
            ).encode()
            for prompt in saved
        }

    def _save(self) -> bool:
        entry = self.environment.environment.registry.find_entry(self._any_prompt())
        said = json.dumps(entry.latest.template)
        old, new = self._exchange(said)
        self.environment.environment.registry.save_version(
            entry.name, json.loads(said.replace(old, new))
        )
        return True

    def _edit(self) -> bool:
        path, text = self.file(self._any_prompt())
        old, new = self._exchange(text)
        self.environment.environment.repository.push(
            self.environment.trunk, {path: text.replace(old, new).encode()}
        )
        return True

    def _exchange(self, text: str) -> tuple[str, str]:
        old = self.draw.choice(_WORD.findall(text))
        self.dropped.add(old)
        return old, self._word()

    def _merge(self) -> bool:
        pull = self._any_pull()
        if pull is None:
            return False
        id = int(pull.head.rpartition("/")[2])
        before = self.words_on_main(id)
        self.environment.environment.repository.merge(pull.number, self.draw.choice(_METHODS))
        self._merged[pull.number] = before - self.words_on_main(id)
        return True

    def _close(self) -> bool:
        pull = self._any_pull()
        if pull is None:
            return False
        self.environment.environment.repository.close(pull.number)
        return True

    def _rename(self) -> bool:
        id = self._any_prompt()
        self.environment.environment.registry.rename(id, f"support/p{id}-{self.acts['rename']}")
        return True

    def _move_label(self) -> bool:
        id = self._any_prompt()
        versions = len(self.environment.environment.registry.find_entry(id).versions)
        self.environment.environment.registry.move_label(id, LABEL, self.draw.randint(1, versions))
        return True

    def _rename_trunk(self) -> bool:
        new = next(name for name in ("main", "trunk") if name != self.environment.trunk)
        self.environment.environment.repository.rename_branch(self.environment.trunk, new)
        return True

    def _change_base(self) -> bool:
        self._base = DEVELOP if self._base is None else None
        self.environment.change_base(self._base)
        self.base_changes.append(time.monotonic())
        return True

    def rest(self) -> None:
        """In the end everything is to go to the default branch."""
        if self._base is not None:
            self._change_base()

    # What came of it

    def lost(self) -> set[str]:
        """Words that nobody finds any more where people look - at a prompt as it is now, in its
        file, in an open pull request - and that no person let go."""
        held = set[str]()
        for id in self.environment.environment.registry.entries:
            entry = self.environment.environment.registry.find_entry(id)
            held |= find_words(json.dumps(entry.latest.template))
            held |= self.words_on_main(id)
        for pull in self.environment.open_pulls():
            held |= find_words(git(self.environment.environment.repository.path, "show", pull.head))
        return (
            {f"w{number}x" for number in range(self._words)} - held - self.dropped - self._let_go()
        )

    def _let_go(self) -> set[str]:
        """Words that a merge took from the file, where the pull request said that both sides were
        edited, and showed them."""
        pulls = self.environment.environment.repository.pulls
        bodies = {number: pulls[number].body or "" for number in self._merged}
        return {
            word
            for number, gone in self._merged.items()
            for word in gone
            if "both sides" in bodies[number].lower() and word in bodies[number]
        }

    def file(self, id: int) -> tuple[str, str]:
        """The path and the text of the file that bears this id."""
        repository = self.environment.environment.repository.path
        found = git(
            repository, "grep", "-l", f"^id: {id}$", self.environment.trunk, "--", "prompts/latest"
        )
        path = found.removeprefix(f"{self.environment.trunk}:")
        return path, git(repository, "show", f"{self.environment.trunk}:{path}") + "\n"

    def words_on_main(self, id: int) -> set[str]:
        return find_words(self.file(id)[1])

    def _any_prompt(self) -> int:
        return self.draw.choice(sorted(self.environment.environment.registry.entries))

    def _any_pull(self) -> Pull | None:
        found = self.environment.open_pulls()
        chance = self.draw.random()
        return found[int(chance * len(found))] if found else None

    def _word(self) -> str:
        self._words += 1
        return f"w{self._words - 1}x"


def find_words(text: str) -> set[str]:
    """The words that people wrote."""
    return set(_WORD.findall(text))
