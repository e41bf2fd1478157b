"""``plan`` in one line, and the order of its rows."""

from __future__ import annotations

from bridge.cli.drift_rows import DriftRow
from bridge.cli.drift_summary import sort_naturally, summarise_drift


def row(
    prompt: str, action: str = "open a pull request", standing: str = "label differs"
) -> DriftRow:
    return DriftRow("support", prompt, "prod", f"{prompt}.yaml", standing, action)


def test_names_are_sorted_as_people_sort_them() -> None:
    names = ["step 10", "Step 9", "alpha", "step 1b", "9 lives", "step 1"]

    found = [each.prompt for each in sort_naturally(map(row, names))]

    assert found == ["9 lives", "alpha", "step 1", "step 1b", "Step 9", "step 10"]


def test_a_plan_is_summed_up_in_one_line() -> None:
    rows = [
        *(row(str(each)) for each in range(120)),
        *(row(str(each), "publish a new version and move prod to it") for each in range(2)),
        row("new", "make a prompt of it"),
        row("met", "bring the pull request up to date", "edited on both sides, in conflict: same"),
        row("left", "skip: a mistake"),
        row("done", "nothing (proposed already)"),
    ]

    assert (
        summarise_drift(rows) == "120 to propose, 1 to update, 3 to publish, 2 to leave, 1 conflict"
    )


def test_a_reason_that_speaks_of_a_conflict_is_none() -> None:
    assert summarise_drift([row("a", standing="label differs: not in conflict")]) == "1 to propose"
