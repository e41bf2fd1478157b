"""``withdrawn_by_typo`` of the bench, and that it sees what it is there to see."""

from __future__ import annotations

from tests.bench.typo import TYPOS, measure, typo_trial


def test_a_typo_costs_no_pull_request() -> None:
    (figure,) = measure()

    assert figure.name == "withdrawn_by_typo"
    assert figure.ok


def test_the_bench_sees_what_a_typo_costs_where_pruning_is_wanted() -> None:
    with typo_trial(prune=True) as trial:
        assert trial.withdrawn(TYPOS["a pattern"]) > 0
