"""Rounds of acts, each looked at in one way or another and held against the model; and how a script
that fails is made short.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.lifecycle.forge_repository import create_forge_repository
from tests.integration.switchable_app import SwitchableApp
from tests.model.judge import ANCHOR, COUNTED, LOOP_EXTRA, Fault, Judge
from tests.model.looks import Bridge, DroppingRegistry, Look, LookKind, RunningClock, count_versions
from tests.model.people import WEIGHTS, Act, People
from tests.standins.git_http import git
from tests.standins.serve_app import serve

KINDS = ("both labels", "both labels", "latest only", "new file")
BridgeOf = Callable[[BridgeEnvironment, Path, str], Bridge]
_TRIES = 40  # plays of a script that is made shorter


@dataclass(frozen=True)
class Round:
    acts: tuple[Act, ...]
    look: Look
    drops_metadata: bool = False

    def __str__(self) -> str:
        acts = "".join(f"{act!r}, " for act in self.acts)
        look = f"Look(LookKind.{self.look.kind.name}, {self.look.forgets})"
        return f"Round(({acts}), {look}, {self.drops_metadata})"


@dataclass(frozen=True)
class Script:
    """Everything that happens; ``pages`` says how each begins."""

    pages: dict[int, str]
    rounds: tuple[Round, ...]

    def only(self, page: int) -> Script:
        rounds = (
            replace(each, acts=tuple(act for act in each.acts if act.page == page))
            for each in self.rounds
        )
        return Script({page: self.pages[page]}, tuple(rounds))

    def with_round(self, at: int, *instead: Round) -> Script:
        """With other rounds, or none, in the place of one."""
        return replace(self, rounds=(*self.rounds[:at], *instead, *self.rounds[at + 1 :]))

    def __str__(self) -> str:
        """As it can be pasted into a test."""
        rounds = "".join(f"\n        {each}," for each in self.rounds)
        return f"Script(\n    pages={self.pages!r},\n    rounds=({rounds}\n    ),\n)"


def draw_script(seed: int, pages: int, rounds: int, acts: int = 2) -> Script:
    """Up to so many acts for each page in each round."""
    draw = random.Random(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())

    def drawn(page: int) -> list[Act]:
        chosen = draw.choices(names, weights, k=draw.randint(0, acts))
        return [Act(page, name, draw.randrange(1_000_000)) for name in chosen]

    def round_of(acts: Sequence[Act]) -> Round:
        look = Look(draw.choice(list(LookKind)), draw.random() < 0.25)
        return Round(tuple(acts), look, draw.random() < 0.3)

    kinds = {page: draw.choice(KINDS) for page in range(pages)}
    return Script(
        kinds,
        tuple(round_of([a for page in kinds for a in drawn(page)]) for _ in range(rounds)),
    )


@dataclass
class Result:
    faults: list[Fault] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)  # that happened

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(fault.kind for fault in self.faults)
        return {kind: found[kind] for kind in COUNTED}

    @property
    def steps(self) -> int:
        return sum(self.acts.values())


def play(
    script: Script, bridge_of: BridgeOf = Bridge, rests: Sequence[LookKind] = (LookKind.SWEEP,)
) -> Result:
    """Play a script in a world of its own, and look once more in each way of ``rests`` when
    nothing happens any more. A page of which something wrong was made is left alone from then."""
    result = Result()
    with _played_in(script, bridge_of) as (people, bridge):
        judge = Judge(people, bridge)
        bridge.look(Look(LookKind.SWEEP))
        result.faults += judge.judge()
        for each in script.rounds:
            people.environment.registry.drops = each.drops_metadata  # type: ignore[attr-defined]
            for act in each.acts:
                if act.page in people.pages and people.do(act):
                    result.acts[act.name] += 1
            bridge.look(each.look)
            result.faults += judge.judge()
        result.faults += _made_at_rest(people, bridge, rests)
    return result


@contextmanager
def _played_in(script: Script, bridge_of: BridgeOf) -> Iterator[tuple[People, Bridge]]:
    changing = SwitchableApp()
    mapping = {
        "name": "support",
        "prompts": ["**"],
        "track": ["latest", "prod"],
        "publish": True,
        "pull_request": {"limit": 4 * len(script.pages)},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        create_forge_repository("local", Path(folder) / "forge") as repository,
        serve(changing) as url,
    ):
        clock = RunningClock()
        environment = BridgeEnvironment(
            repository, Path(folder), url, [mapping], clock=clock, registry=DroppingRegistry
        )
        changing.app = environment.address
        with closing(environment):
            people = People(environment)
            people.begin(ANCHOR, "both labels")
            for page, kind in script.pages.items():
                people.begin(page, kind)
            yield people, bridge_of(environment, Path(folder), url)


def _made_at_rest(people: People, bridge: Bridge, rests: Sequence[LookKind]) -> Iterator[Fault]:
    """What is made although nobody did anything."""
    for kind in rests:
        before = count_made(people.environment)
        bridge.look(Look(kind, forgets=True))
        after = count_made(people.environment)
        for what, were, are in zip(
            ("versions", "commits", "pull requests"), before, after, strict=True
        ):
            if are > were:
                yield Fault(LOOP_EXTRA, ANCHOR, f"{are - were} {what} were made at rest, by {kind}")


def count_made(environment: BridgeEnvironment) -> tuple[int, int, int]:
    """Versions, commits on branches and pull requests that there are."""
    commits = int(git(environment.repository.repository, "rev-list", "--branches", "--count"))
    pulls = environment.repository.forge.list_all_pull_requests()  # type: ignore[attr-defined]
    return count_versions(environment), commits, len(pulls)


def shorten(script: Script, fault: Fault, bridge_of: BridgeOf = Bridge) -> Script:
    """A script of one page that shows the same kind of fault with as few acts as were found; the
    script itself where the page alone shows none."""
    tries = itertools.count(1)

    def fails(some: Script) -> bool:
        return any(found.kind == fault.kind for found in play(some, bridge_of).faults)

    short = script.only(fault.page) if fault.page != ANCHOR else script
    if not fails(short):
        return script
    smaller = _smaller(short)
    while (each := next(smaller, None)) is not None and next(tries) < _TRIES:
        if fails(each):
            short, smaller = each, _smaller(each)
    return short


def _smaller(script: Script) -> Iterator[Script]:
    """The script without a round, without an act, or looked at in the plainest way."""
    plain = Look(LookKind.SWEEP)
    for at, each in enumerate(script.rounds):
        yield script.with_round(at)
        for act in each.acts:
            yield script.with_round(
                at, replace(each, acts=tuple(one for one in each.acts if one is not act))
            )
        if (each.look, each.drops_metadata) != (plain, False):
            yield script.with_round(at, Round(each.acts, plain))
