"""One run: trouble for a while, then peace, then judgement."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.application_readers import ApplicationReaders
from tests.chaos.chaos_environment import ChaosEnvironment, start_chaos_environment
from tests.chaos.fault_injection import FaultInjector
from tests.chaos.invariants import BrokenInvariant, InvariantChecker
from tests.chaos.random_users import RandomUsers
from tests.e2e.bridge_process import until

_LOOKING = 1.0  # seconds between two looks whether it has come to rest
_IN_A_ROW = 3  # looks that have to find it so


@dataclass(frozen=True)
class Plan:
    """What the seed decides is who does what and what goes wrong; when the processes do their
    part is up to the machine. Durations are in seconds."""

    seed: int
    duration: float
    prompts: int = 12
    sweep: str = "20s"
    patience: float = 150.0  # for coming to rest: somebody dead is noticed after half a minute
    pace: tuple[float, float] = (0.2, 1.2)  # between two things that people do


@dataclass(frozen=True)
class Report:
    plan: Plan
    troubles: Counter[str]
    acts: Counter[str]
    answers: Counter[str]
    figures: dict[str, int]
    anomalies: tuple[BrokenInvariant, ...]


def run(
    plan: Plan, folder: Path, peace: Callable[[ChaosEnvironment], None] = lambda _house: None
) -> Report:
    """``peace`` is called when the trouble is over."""
    over = threading.Event()
    sources = {name: random.Random(f"{plan.seed}/{name}") for name in ("post", "people", "trouble")}
    with start_chaos_environment(folder, sources["post"], sweep=plan.sweep) as environment:
        people = RandomUsers(environment, sources["people"], plan.prompts)
        trouble = FaultInjector(environment, sources["trouble"], over)
        registry = environment.environment.registry
        readers = ApplicationReaders(environment.environment.address, lambda: [*registry.entries])
        with environment.kept(), readers.run():
            _begin(environment)
            making = threading.Thread(target=trouble.make, daemon=True)
            making.start()
            _people_act(people, plan, time.monotonic() + plan.duration)
            people.rest()
            over.set()
            making.join()
            peace(environment)
            judge = InvariantChecker(environment, people, readers)
            unsettled, quiet_after = _come_to_rest(environment, judge, plan.patience)
            if unsettled:
                (folder / "books.txt").write_text(judge.books())
        anomalies = (*unsettled, *judge.anomalies())
        troubles = trouble.counted + environment.office.troubles
        figures = _figures(environment, round(quiet_after)) | readers.counted
        return Report(plan, troubles, people.acts, environment.office.answers, figures, anomalies)


def _begin(environment: ChaosEnvironment) -> None:
    """Let the first proposals come before anything goes wrong."""
    until(lambda: bool(environment.open_pulls()), "nothing was proposed", patience=90)


def _people_act(people: RandomUsers, plan: Plan, until: float) -> None:
    while time.monotonic() < until:
        people.act()
        time.sleep(people.draw.uniform(*plan.pace))


def _come_to_rest(
    environment: ChaosEnvironment, judge: InvariantChecker, patience: float
) -> tuple[list[BrokenInvariant], float]:
    """What is still unsettled when patience ends, and how long it took."""
    began, calm = time.monotonic(), 0
    unsettled: list[BrokenInvariant] = []
    while calm < _IN_A_ROW and time.monotonic() - began < patience:
        time.sleep(_LOOKING)
        environment.postgresql.start()  # one that was killed may fail to come back at once
        unsettled = (
            judge.unsettled()
            if environment.office.idle
            else [BrokenInvariant("post", "not all carried")]
        )
        calm = 0 if unsettled else calm + 1
    return unsettled, time.monotonic() - began


def _figures(environment: ChaosEnvironment, quiet_after: int) -> dict[str, int]:
    versions = sum(
        len(entry.versions) for entry in environment.environment.registry.entries.values()
    )
    return {
        "deliveries acknowledged": len(environment.office.acknowledged),
        "proposals": len(environment.environment.repository.pulls),
        "versions": versions,
        "starts of processes": sum(machine.starts for machine in environment.machines),
        "processes that ended by themselves": sum(
            m.ended_by_themselves for m in environment.machines
        ),
        "tracebacks in the logs": environment.logs.count("Traceback (most recent call last)"),
        "seconds until all was quiet": quiet_after,
    }
