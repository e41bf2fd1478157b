"""Rounds of acts, each looked at in one way or another and held against the model; and how a script
that fails is made short.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.integration.changing_app import ChangingApp
from tests.integration.lifecycle.place import place_on
from tests.integration.lifecycle.world import World
from tests.model.judge import COUNTED, LOOP_EXTRA, Fault, Judge
from tests.model.looks import Bridge, DroppingRegistry, Look, LookKind, RunningClock, count_versions
from tests.model.people import WEIGHTS, Act, People
from tests.standins.git_http import git
from tests.standins.serving import serve

KINDS = ("both labels", "both labels", "latest only", "new file")
BridgeOf = Callable[[World, Path, str], Bridge]
_TRIES = 60  # at making a script shorter


@dataclass(frozen=True)
class Round:
    acts: tuple[Act, ...]
    look: Look
    drops_metadata: bool = False


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

    @property
    def steps(self) -> int:
        return sum(len(each.acts) for each in self.rounds)

    def __str__(self) -> str:
        """As it can be pasted into a test."""
        rounds = "".join(f"\n        {each!r}," for each in self.rounds)
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


def play(script: Script, bridge_of: BridgeOf = Bridge) -> Result:
    """Play a script in a world of its own; pages whose bridge did wrong are left alone then."""
    result = Result()
    with _played_in(script, bridge_of) as (people, bridge):
        judge = Judge(people, bridge)
        bridge.look(Look(LookKind.SWEEP))
        result.faults += judge.judge()
        for each in script.rounds:
            people.world.registry.drops = each.drops_metadata  # type: ignore[attr-defined]
            for act in each.acts:
                if act.page in people.pages and people.do(act):
                    result.acts[act.name] += 1
            bridge.look(each.look)
            result.faults += judge.judge()
        result.faults += _made_at_rest(people, bridge)
    return result


@contextmanager
def _played_in(script: Script, bridge_of: BridgeOf) -> Iterator[tuple[People, Bridge]]:
    changing = ChangingApp()
    mapping = {
        "name": "support",
        "prompts": ["**"],
        "track": ["latest", "prod"],
        "publish": True,
        "pull_request": {"limit": 4 * len(script.pages)},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        place_on("local", Path(folder) / "forge") as place,
        serve(changing) as url,
    ):
        clock = RunningClock()
        world = World(place, Path(folder), url, [mapping], clock=clock, registry=DroppingRegistry)
        changing.app = world.address
        with closing(world):
            people = People(world)
            for page, kind in script.pages.items():
                people.begin(page, kind)
            yield people, bridge_of(world, Path(folder), url)


def _made_at_rest(people: People, bridge: Bridge) -> Iterator[Fault]:
    """What is made although nobody did anything."""
    for kind in LookKind:
        before = count_made(people.world)
        bridge.look(Look(kind, forgets=True))
        after = count_made(people.world)
        for what, were, are in zip(
            ("versions", "commits", "pull requests"), before, after, strict=True
        ):
            if are > were:
                yield Fault(LOOP_EXTRA, -1, f"{are - were} {what} were made at rest, by {kind}")


def count_made(world: World) -> tuple[int, int, int]:
    """Versions, commits on branches and pull requests that there are."""
    commits = int(git(world.place.repository, "rev-list", "--branches", "--count"))
    pulls = world.place.forge.every_pull_request()  # type: ignore[attr-defined]
    return count_versions(world), commits, len(pulls)


def shorten(script: Script, fault: Fault, bridge_of: BridgeOf = Bridge) -> Script:
    """A script of one page that shows the same kind of fault with as few acts as were found."""

    def fails(some: Script) -> bool:
        return any(found.kind == fault.kind for found in play(some, bridge_of).faults)

    short = script.only(fault.page) if fault.page >= 0 else script
    if not fails(short):
        return script
    for _ in range(_TRIES):
        smaller = next((each for each in _smaller(short) if fails(each)), None)
        if smaller is None:
            break
        short = smaller
    return short


def _smaller(script: Script) -> Iterator[Script]:
    for at, each in enumerate(script.rounds):
        others = script.rounds[:at], script.rounds[at + 1 :]
        yield replace(script, rounds=(*others[0], *others[1]))
        for act in each.acts:
            fewer = replace(each, acts=tuple(one for one in each.acts if one is not act))
            yield replace(script, rounds=(*others[0], fewer, *others[1]))
        plain = Look(LookKind.SWEEP)
        if (each.look, each.drops_metadata) != (plain, False):
            yield replace(script, rounds=(*others[0], Round(each.acts, plain), *others[1]))
