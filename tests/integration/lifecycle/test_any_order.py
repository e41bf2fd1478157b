"""Whatever happens in whatever order, and whatever webhooks are lost: one sweep ends in step."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from bridge.errors import BridgeError
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.memory import recall
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Proposal
from tests.integration.lifecycle.world import BOB, JANE, MakeWorld, World

NAMES = ("support/reply", "sales/pitch", "hello")
TRACKED = (LATEST, "prod")
STEPS = 22


class Weather:
    """Things that happen, drawn from a seed. What cannot happen now does not."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.draw = random.Random(seed)
        self.happened: list[str] = []

    def step(self) -> None:
        act = self.draw.choice(self._acts())
        self.happened.append(act.__name__.strip("_"))
        try:
            act()
        except BridgeError:
            self.happened[-1] += " (not now)"
        self._send()

    def _acts(self) -> list[Callable[[], None]]:
        often = [self._save] * 5 + [self._move_label] * 3 + [self._merge] * 2
        return [
            *often,
            self._delete_label,
            self._rename,
            self._close,
            self._reopen,
            self._revert,
            self._touch_base,
            self._edit_file,
            self._delete_branch,
            self._forget_everything,
        ]

    def _send(self) -> None:
        """Webhooks come late, twice, in any order, or never."""
        payloads = self.world.post.take()
        kept = [payload for payload in payloads if self.draw.random() < 0.7]
        doubled = [payload for payload in kept if self.draw.random() < 0.2]
        arriving = [*kept, *doubled]
        self.draw.shuffle(arriving)
        self.world.deliver(arriving)
        if self.draw.random() < 0.5:
            self.world.settle()

    def _save(self) -> None:
        by = self.draw.choice([JANE, BOB])
        self.world.save(f"Text {self.draw.randrange(4)}.", self.draw.choice(NAMES), by=by)

    def _entry_id(self) -> int:
        return self.draw.choice(list(self.world.registry.entries) or [0])

    def _move_label(self) -> None:
        id = self._entry_id()
        versions = len(self.world.registry.entry(id).versions)
        self.world.registry.move_label(id, "prod", self.draw.randint(1, versions))

    def _delete_label(self) -> None:
        self.world.registry.delete_label(self._entry_id(), "prod")

    def _rename(self) -> None:
        self.world.registry.rename(self._entry_id(), self.draw.choice([*NAMES, "other"]))

    def _any(self, state: PullRequestState) -> PullRequest | None:
        found = [
            pull
            for branch in branches(self.world)
            for pull in self.world.place.every(branch)[:1]
            if pull.state is state
        ]
        return self.draw.choice(found) if found else None

    def _merge(self) -> None:
        if found := self._any(PullRequestState.OPEN):
            self.world.place.merge(found, self.draw.choice(["merge", "squash", "rebase"]))

    def _close(self) -> None:
        if found := self._any(PullRequestState.OPEN):
            self.world.place.close(found.number)

    def _reopen(self) -> None:
        found = self._any(PullRequestState.CLOSED)
        memory = recall(found.body) if found else None
        if found and memory and not memory.withdrawn and found.head in self.world.place.branches():
            self.world.place.reopen(found.number)

    def _revert(self) -> None:
        if self.world.place.paths() != {"README.md"}:
            self.world.place.revert()

    def _touch_base(self) -> None:
        self.world.place.commit({"src/bot.py": str(self.draw.random()).encode()})

    def _edit_file(self) -> None:
        paths = sorted(self.world.place.paths() - {"README.md", "src/bot.py"})
        if paths:
            path = self.draw.choice(paths)
            text = self.world.place.text(path) or ""
            edited = text.replace("Text", "Better text", 1)
            self.world.place.commit({path: edited.encode()})

    def _delete_branch(self) -> None:
        """Forges close the pull request of a branch that is deleted."""
        if found := sorted(self.world.place.branches()):
            branch = self.draw.choice(found)
            for pull in self.world.place.every(branch)[:1]:
                if pull.state is PullRequestState.OPEN:
                    self.world.place.close(pull.number)
            self.world.place.delete_branch(branch)

    def _forget_everything(self) -> None:
        self.world.forget_everything()


def branches(world: World) -> list[str]:
    return [world.branch(id, label) for id in world.registry.entries for label in TRACKED]


@pytest.mark.parametrize("seed", range(6))
def test_after_a_sweep_each_prompt_is_in_step_or_proposed_or_decided(
    make_world: MakeWorld, seed: int
) -> None:
    world = make_world({"track": list(TRACKED)})
    weather = Weather(world, seed)
    for _ in range(STEPS):
        weather.step()

    world.post.lose()
    world.sweep()

    told = f"seed {seed}: {', '.join(weather.happened)}"
    for id in world.registry.entries:
        for label in TRACKED:
            assert_accounted_for(world, id, label, told)


def assert_accounted_for(world: World, id: int, label: str, told: str) -> None:
    branch = world.branch(id, label)
    pulls = world.place.every(branch)
    open_ = [pull for pull in pulls if pull.state is PullRequestState.OPEN]
    platform = world.platform.prompt(id, label=None if label == LATEST else label)
    wanted = (platform.name, platform.digest) if platform else None
    told = f"prompt {id}, {label}; {told}"
    assert len(open_) <= 1, told
    if is_crowded_out(world, branch):
        return
    if open_:
        assert held_on(world, branch, id, label) == wanted, told
        assert held_on(world, "main", id, label) != wanted, told
    elif held_on(world, "main", id, label) != wanted:
        assert world.standing(branch).kind in decided_by_people(pulls), told


def is_crowded_out(world: World, branch: str) -> bool:
    """Whether the file of a prompt that was renamed, and not merged yet, is where this one's
    should be: that is told, and over once it is merged."""
    standing = world.ledger.standing(Proposal("support", branch))
    if standing is None or standing.kind is not OutcomeKind.PARKED:
        return False
    return "is there already and does not belong to prompt" in standing.reason


def decided_by_people(pulls: Sequence[PullRequest]) -> set[OutcomeKind]:
    """Why platform and repository may differ although nothing is proposed."""
    kinds = {OutcomeKind.REPOSITORY_AHEAD}
    if pulls and pulls[0].state is PullRequestState.MERGED:
        kinds.add(OutcomeKind.UNDONE)
    if pulls and (memory := recall(pulls[0].body)) is not None and not memory.withdrawn:
        kinds.add(OutcomeKind.REJECTED)
    return kinds


def held_on(world: World, revision: str, id: int, label: str) -> tuple[str, str] | None:
    """What the repository has of a target: its name and its meaning."""
    for path in sorted(world.place.paths(revision)):
        if path.startswith(f"prompts/{label}/"):
            prompt = world.held(path, revision)
            if prompt.id == id:
                return prompt.name, prompt.digest
    return None
