"""``loop_extra`` and ``lost_updates``: people edit fifty prompts on both sides, a thousand times;
they merge in three ways, close, and rename. What did the bridge do that nobody needed, and whose
text is gone although nobody chose that?

Every edit writes a word that was never written before into one message of a prompt, so that each
text can be followed.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.engine.ledger import Ask
from bridge.errors import BridgeError
from bridge.forge.base import PullRequest
from bridge.prompts.file import render
from bridge.prompts.memory import recall
from bridge.prompts.prompt import LATEST, JsonObject, PromptFile
from bridge.prompts.target import Target
from bridge.sandbox.entries import chat
from bridge.sandbox.publishing import API_USER
from tests.bench.figure import Figure, none_of, told
from tests.integration.changing_app import ChangingApp
from tests.integration.lifecycle.place import place_on
from tests.integration.lifecycle.world import BOT, World
from tests.standins.git_http import git
from tests.standins.serving import serve

SEEDS = (1, 2, 3)
_WORD = re.compile(r"w\d+x")
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Trial:
    """How much people do, and how often the bridge hears of it, in edits."""

    prompts: int
    edits: int
    between_rests: int = 50
    between_sweeps: int = 250

    @contextmanager
    def carried_out(self, seed: int) -> Iterator[People]:
        """The people once they are done, and everything is decided."""
        changing, room = ChangingApp(), {"limit": 2 * self.prompts}
        mapping = {"name": "support", "prompts": ["**"], "publish": True, "pull_request": room}
        with (
            tempfile.TemporaryDirectory() as folder,
            place_on("local", Path(folder) / "forge") as place,
            serve(changing) as url,
        ):
            world = World(place, Path(folder), url, [mapping])
            changing.app = world.address
            with closing(world):
                people = People(world, random.Random(seed), self.prompts)
                people.work(self)
                people.decide_everything()
                yield people


def measure() -> Iterator[Figure]:
    for seed in SEEDS:
        with Trial(prompts=50, edits=1_000).carried_out(seed) as people:
            yield from _figures(people, seed)


def _figures(people: People, seed: int) -> Iterator[Figure]:
    after = f"in run {seed}"
    yield none_of("loop_extra", people.extra(), f"beyond the needed {after}; {people.summary()}")
    yield none_of("lost_updates", len(people.lost()), f"texts on neither side {after}")
    yield told("published", people.published(), f"versions made of files {after}")


class People:
    """Those who edit, and what they remember."""

    def __init__(self, world: World, draw: random.Random, prompts: int) -> None:
        self.world = world
        self.draw = draw
        self.edits = self.merges = self.closes = self.renames = 0
        self.dropped: set[str] = set()  # words that a person wrote over, or chose to let go
        self._words = 0
        self._touched: set[int] = set()
        self._begin(prompts)

    def _begin(self, prompts: int) -> None:
        for number in range(prompts):
            template = chat(*((role, self._word()) for role in _ROLES))
            self.world.registry.save(f"support/p{number}", template)
        saved = (item.prompt for item in self.world.platform.prompts())
        files = {
            f"prompts/latest/{p.name}.yaml": render(PromptFile(p, LATEST)).encode() for p in saved
        }
        self.world.place.commit(files)
        self.world.post.lose()

    def work(self, trial: Trial) -> None:
        while self.edits < trial.edits:
            before = self.edits
            acts = [self._save] * 9 + [self._edit] * 7 + [self._merge] * 6
            self.draw.choice([*acts, self._close, self._rename])()
            if self.edits != before and self.edits % trial.between_rests == 0:
                self.rest()
            if self.edits != before and self.edits % trial.between_sweeps == 0:
                self.sweep()

    def decide_everything(self) -> None:
        """Merge whatever is proposed until nothing is."""
        self.sweep()
        for _ in range(5):
            for pull in self.world.place.open():
                self._merge_one(pull)
            self.rest()
        self.sweep()

    # The bridge

    def rest(self) -> None:
        """Every webhook arrives: PromptLayer's, and the forge's of what was pushed."""
        site = self.world.worker.sites["support"]
        self.world.settle()
        for id in sorted(self._touched):
            target = Target("support", id, LATEST)
            proposal = site.proposal(self.world.registry.entry(id).name, target)
            self.world.ledger.ask([Ask(proposal, target)])
        self._touched.clear()
        self.world.settle()

    def sweep(self) -> None:
        self.rest()
        self.world.sweep()
        self.world.settle()

    # What people do

    def _save(self) -> None:
        entry = self.world.registry.entry(self._any_prompt())
        said = json.dumps(entry.latest.template)
        old, new = self._exchange(said)
        self.world.registry.save(entry.name, json.loads(said.replace(old, new)))

    def _edit(self) -> None:
        id = self._any_prompt()
        path = self._path(id)
        text = self.world.place.text(path) or ""
        old, new = self._exchange(text)
        self.world.place.commit({path: text.replace(old, new).encode()})
        self._touched.add(id)

    def _exchange(self, text: str) -> tuple[str, str]:
        old = self.draw.choice(_WORD.findall(text))
        self.dropped.add(old)
        self.edits += 1
        return old, self._word()

    def _merge(self) -> None:
        if found := self.world.place.open():
            self._merge_one(self.draw.choice(found))

    def _merge_one(self, pull: PullRequest) -> None:
        id = _prompt_of(pull)
        before = self._words_on_main(id)
        try:
            self.world.place.merge(pull, self.draw.choice(["merge", "squash", "rebase"]))
        except BridgeError:
            return  # git cannot merge it: the bridge brings it up to date
        self.merges += 1
        self._touched.add(id)
        if "both sides" in pull.body.lower():  # and the text that goes is shown
            gone = before - self._words_on_main(id)
            self.dropped |= {word for word in gone if word in pull.body}

    def _close(self) -> None:
        if found := self.world.place.open():
            self.world.place.close(self.draw.choice(found).number)
            self.closes += 1

    def _rename(self) -> None:
        self.renames += 1
        id = self._any_prompt()
        self.world.registry.rename(id, f"support/p{id}-{self.renames}")

    # What came of it

    def lost(self) -> set[str]:
        """Words on neither side that no person dropped."""
        held = set[str]()
        for id in self.world.registry.entries:
            held |= set(_words_in(self.world.registry.entry(id).latest.template))
            held |= self._words_on_main(id)
        return {f"w{number}x" for number in range(self._words)} - held - self.dropped

    def extra(self) -> int:
        """Versions, commits and pull requests that nobody needed: those that come of a sweep when
        everything is decided, and of those before, versions that say what an earlier one said,
        commits that change nothing, and pull requests that the bridge took back. A person may
        make the last of them needed, by writing what the other side holds; here nobody does, as
        every word is new."""
        before = self.made()
        self.sweep()
        after = self.made()
        return sum(after) - sum(before) + self.echoes() + self.empty_commits() + self.withdrawn()

    def made(self) -> tuple[int, int, int]:
        """Versions, commits and pull requests there are."""
        versions = sum(len(entry.versions) for entry in self.world.registry.entries.values())
        commits = int(git(self.world.place.repository, "rev-list", "--all", "--count"))
        return versions, commits, len(self._pulls())

    def published(self) -> int:
        """Versions that the bridge made."""
        entries = self.world.registry.entries.values()
        return sum(version.author == API_USER for entry in entries for version in entry.versions)

    def echoes(self) -> int:
        """Versions that say what an earlier one said."""
        return sum(
            len(entry.versions) - len({tuple(_words_in(v.template)) for v in entry.versions})
            for entry in self.world.registry.entries.values()
        )

    def empty_commits(self) -> int:
        """Commits of the bridge's that change nothing."""
        form = "--format=%H %T %P %ce"
        lines = git(self.world.place.repository, "log", "--all", form).splitlines()
        commits = [line.split() for line in lines]
        trees = {commit[0]: commit[1] for commit in commits}
        return sum(
            commit[-1] == BOT.email and len(commit) == 4 and trees.get(commit[2]) == commit[1]
            for commit in commits
        )

    def withdrawn(self) -> int:
        """Pull requests that the bridge closed."""
        memories = (recall(pull.body) for pull in self._pulls())
        return sum(memory.withdrawn for memory in memories if memory is not None)

    def summary(self) -> str:
        return (
            f"{self.edits} edits, {self.merges} merges, {self.closes} closed,"
            f" {self.renames} renames, {len(self._pulls())} pull requests"
        )

    def _pulls(self) -> list[PullRequest]:
        ids = self.world.registry.entries
        return [pull for id in ids for pull in self.world.place.every(self.world.branch(id))]

    def _words_on_main(self, id: int) -> set[str]:
        return set(_WORD.findall(self.world.place.text(self._path(id)) or ""))

    def _path(self, id: int) -> str:
        """The file that bears this id."""
        found = git(self.world.place.repository, "grep", "-l", f"^id: {id}$", "main")
        return found.strip().removeprefix("main:")

    def _any_prompt(self) -> int:
        return self.draw.choice(list(self.world.registry.entries))

    def _word(self) -> str:
        self._words += 1
        return f"w{self._words - 1}x"


def _prompt_of(pull: PullRequest) -> int:
    return int(pull.head.rpartition("/")[2])


def _words_in(template: JsonObject) -> list[str]:
    return _WORD.findall(json.dumps(template))
