"""Whatever happens in whatever order, and whatever webhooks are lost: one sweep ends in step."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from bridge.errors import BridgeError
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.metadata import parse_metadata
from bridge.prompts.target import Proposal
from tests.integration.lifecycle.bridge_environment import BOB, JANE, BridgeEnvironment, MakeWorld

NAMES = ("support/reply", "sales/pitch", "hello")
TRACKED = (LATEST, "prod")
STEPS = 22


class Weather:
    """Things that happen, drawn from a seed. What cannot happen now does not."""

    def __init__(self, environment: BridgeEnvironment, seed: int) -> None:
        self.environment = environment
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
        payloads = self.environment.post.take()
        kept = [payload for payload in payloads if self.draw.random() < 0.7]
        doubled = [payload for payload in kept if self.draw.random() < 0.2]
        arriving = [*kept, *doubled]
        self.draw.shuffle(arriving)
        self.environment.deliver(arriving)
        if self.draw.random() < 0.5:
            self.environment.settle()

    def _save(self) -> None:
        by = self.draw.choice([JANE, BOB])
        self.environment.save(f"Text {self.draw.randrange(4)}.", self.draw.choice(NAMES), by=by)

    def _entry_id(self) -> int:
        return self.draw.choice(list(self.environment.registry.entries) or [0])

    def _move_label(self) -> None:
        id = self._entry_id()
        versions = len(self.environment.registry.find_entry(id).versions)
        self.environment.registry.move_label(id, "prod", self.draw.randint(1, versions))

    def _delete_label(self) -> None:
        self.environment.registry.delete_label(self._entry_id(), "prod")

    def _rename(self) -> None:
        self.environment.registry.rename(self._entry_id(), self.draw.choice([*NAMES, "other"]))

    def _any(self, state: PullRequestState) -> PullRequest | None:
        found = [
            pull
            for branch in branches(self.environment)
            for pull in self.environment.repository.every(branch)[:1]
            if pull.state is state
        ]
        return self.draw.choice(found) if found else None

    def _merge(self) -> None:
        if found := self._any(PullRequestState.OPEN):
            self.environment.repository.merge(
                found, self.draw.choice(["merge", "squash", "rebase"])
            )

    def _close(self) -> None:
        if found := self._any(PullRequestState.OPEN):
            self.environment.repository.close(found.number)

    def _reopen(self) -> None:
        found = self._any(PullRequestState.CLOSED)
        metadata = parse_metadata(found.body) if found else None
        if (
            found
            and metadata
            and not metadata.withdrawn
            and found.head_branch in self.environment.repository.branches()
        ):
            self.environment.repository.reopen(found.number)

    def _revert(self) -> None:
        if self.environment.repository.paths() != {"README.md"}:
            self.environment.repository.revert()

    def _touch_base(self) -> None:
        self.environment.repository.commit({"src/bot.py": str(self.draw.random()).encode()})

    def _edit_file(self) -> None:
        paths = sorted(self.environment.repository.paths() - {"README.md", "src/bot.py"})
        if paths:
            path = self.draw.choice(paths)
            text = self.environment.repository.text(path) or ""
            edited = text.replace("Text", "Better text", 1)
            self.environment.repository.commit({path: edited.encode()})

    def _delete_branch(self) -> None:
        """Forges close the pull request of a branch that is deleted."""
        if found := sorted(self.environment.repository.branches()):
            branch = self.draw.choice(found)
            for pull in self.environment.repository.every(branch)[:1]:
                if pull.state is PullRequestState.OPEN:
                    self.environment.repository.close(pull.number)
            self.environment.repository.delete_branch(branch)

    def _forget_everything(self) -> None:
        self.environment.forget_everything()


def branches(environment: BridgeEnvironment) -> list[str]:
    return [
        environment.branch(id, label) for id in environment.registry.entries for label in TRACKED
    ]


@pytest.mark.parametrize("seed", range(6))
def test_after_a_sweep_each_prompt_is_in_step_or_proposed_or_decided(
    make_world: MakeWorld, seed: int
) -> None:
    environment = make_world({"track": list(TRACKED)})
    weather = Weather(environment, seed)
    for _ in range(STEPS):
        weather.step()

    environment.post.lose()
    environment.sweep()

    told = f"seed {seed}: {', '.join(weather.happened)}"
    for id in environment.registry.entries:
        for label in TRACKED:
            assert_accounted_for(environment, id, label, told)


def assert_accounted_for(environment: BridgeEnvironment, id: int, label: str, told: str) -> None:
    branch = environment.branch(id, label)
    pulls = environment.repository.every(branch)
    open_ = [pull for pull in pulls if pull.state is PullRequestState.OPEN]
    platform = environment.promptlayer.find_prompt(id, label=None if label == LATEST else label)
    wanted = (platform.name, platform.digest) if platform else None
    told = f"prompt {id}, {label}; {told}"
    assert len(open_) <= 1, told
    if is_crowded_out(environment, branch):
        return
    if open_:
        assert held_on(environment, branch, id, label) == wanted, told
        assert held_on(environment, "main", id, label) != wanted, told
    elif held_on(environment, "main", id, label) != wanted:
        assert environment.standing(branch).kind in decided_by_people(pulls), told


def is_crowded_out(environment: BridgeEnvironment, branch: str) -> bool:
    """Whether the file of a prompt that was renamed, and not merged yet, is where this one's
    should be: that is told, and over once it is merged."""
    standing = environment.store.find_latest_outcome(Proposal("support", branch))
    if standing is None or standing.kind is not ReconcileOutcomeKind.PARKED:
        return False
    return "is there already and does not belong to prompt" in standing.reason


def decided_by_people(pulls: Sequence[PullRequest]) -> set[ReconcileOutcomeKind]:
    """Why platform and repository may differ although nothing is proposed."""
    kinds = {ReconcileOutcomeKind.REPOSITORY_AHEAD}
    if pulls and pulls[0].state is PullRequestState.MERGED:
        kinds.add(ReconcileOutcomeKind.UNDONE)
    if pulls and (metadata := parse_metadata(pulls[0].body)) is not None and not metadata.withdrawn:
        kinds.add(ReconcileOutcomeKind.REJECTED)
    return kinds


def held_on(
    environment: BridgeEnvironment, revision: str, id: int, label: str
) -> tuple[str, str] | None:
    """What the repository has of a target: its name and its meaning."""
    for path in sorted(environment.repository.paths(revision)):
        if path.startswith(f"prompts/{label}/"):
            prompt = environment.held(path, revision)
            if prompt.id == id:
                return prompt.name, prompt.digest
    return None
