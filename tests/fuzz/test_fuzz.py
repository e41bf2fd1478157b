"""The short form of ``make fuzz``: the first inputs of every target, the same ones every time."""

from __future__ import annotations

import pytest

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.fuzz_target import Target
from tests.fuzz.random_source import Steered, numbered
from tests.fuzz.run import tried

QUICK = 300
SLOW = {"yaml_update": 40, "body": 60, "results": 150, "commit_message": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_a_stranger_sends_breaks_what_reads_or_tells_it(name: str) -> None:
    result = tried(TARGETS[name], seed=1, inputs=SLOW.get(name, QUICK), seconds=60)

    assert not result.findings, "\n".join(f"{each.error}{each.again}" for each in result.findings)


def _refuses_seven(number: int) -> None:
    assert number % 10 != 7


def test_a_finding_names_the_input_that_makes_it_again() -> None:
    target = Target("sevens", lambda random: random.randrange(10**6), _refuses_seven)

    (finding, *_) = tried(target, seed=5, inputs=1000, seconds=60).findings

    assert finding.shown.endswith("7")
    assert ascii(target.draw(numbered(5, "sevens", finding.number))) == finding.shown
    assert f"--seed 5 --only {finding.number}" in finding.again


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_of_a_guided_fuzzer_steer_every_choice(name: str) -> None:
    TARGETS[name].try_one(Steered(b""))
    TARGETS[name].try_one(Steered(bytes(range(256)) * 4))
