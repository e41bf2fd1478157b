"""One run: trouble for a while, then peace, then judgement."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.house import House, house_in
from tests.chaos.judging import Anomaly, Judge
from tests.chaos.people import People
from tests.chaos.trouble import Trouble
from tests.e2e.processes import until

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
    anomalies: tuple[Anomaly, ...]


def run(plan: Plan, folder: Path, peace: Callable[[House], None] = lambda _house: None) -> Report:
    """``peace`` is called when the trouble is over."""
    over = threading.Event()
    sources = {name: random.Random(f"{plan.seed}/{name}") for name in ("post", "people", "trouble")}
    with house_in(folder, sources["post"], sweep=plan.sweep) as house:
        people = People(house, sources["people"], plan.prompts)
        trouble = Trouble(house, sources["trouble"], over)
        with house.kept():
            _begin(house)
            making = threading.Thread(target=trouble.make, daemon=True)
            making.start()
            _people_act(people, plan, time.monotonic() + plan.duration)
            people.rest()
            over.set()
            making.join()
            peace(house)
            judge = Judge(house, people)
            unsettled, quiet_after = _come_to_rest(house, judge, plan.patience)
            if unsettled:
                (folder / "books.txt").write_text(judge.books())
        anomalies = (*unsettled, *judge.anomalies())
        troubles = trouble.counted + house.office.troubles
        figures = _figures(house, round(quiet_after))
        return Report(plan, troubles, people.acts, house.office.answers, figures, anomalies)


def _begin(house: House) -> None:
    """Let the first proposals come before anything goes wrong."""
    until(lambda: bool(house.open_pulls()), "nothing was proposed", patience=90)


def _people_act(people: People, plan: Plan, until: float) -> None:
    while time.monotonic() < until:
        people.act()
        time.sleep(people.draw.uniform(*plan.pace))


def _come_to_rest(house: House, judge: Judge, patience: float) -> tuple[list[Anomaly], float]:
    """What is still unsettled when patience ends, and how long it took."""
    began, calm = time.monotonic(), 0
    unsettled: list[Anomaly] = []
    while calm < _IN_A_ROW and time.monotonic() - began < patience:
        time.sleep(_LOOKING)
        house.postgresql.start()  # one that was killed may fail to come back at once
        unsettled = judge.unsettled() if house.office.idle else [Anomaly("post", "not all carried")]
        calm = 0 if unsettled else calm + 1
    return unsettled, time.monotonic() - began


def _figures(house: House, quiet_after: int) -> dict[str, int]:
    versions = sum(len(entry.versions) for entry in house.scene.registry.entries.values())
    return {
        "deliveries acknowledged": len(house.office.acknowledged),
        "proposals": len(house.scene.repository.pulls),
        "versions": versions,
        "starts of processes": sum(machine.starts for machine in house.machines),
        "processes that ended by themselves": sum(m.ended_by_themselves for m in house.machines),
        "tracebacks in the logs": house.logs.count("Traceback (most recent call last)"),
        "seconds until all was quiet": quiet_after,
    }
