"""``python -m tests.bench [NAME…]``: the figures of the README, one JSON line each on standard
output; progress and a table at the end on standard error. Everything runs on this machine."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.bench import (
    ack,
    both_ways,
    burst,
    calls,
    decisions,
    evaluations,
    first_import,
    foreign_work,
    growth,
    idle,
    logs,
    pages,
    people,
    publish,
    served_edits,
    served_processes,
    served_reads,
    several,
    soak,
    sweep,
    typo,
    versus_clone,
)
from tests.bench.figure import Figure

MEASURES: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "ack_ratio": ack.measure,
    "event_to_pr_growth": growth.measure,
    "versus_clone": versus_clone.measure,
    "calls": calls.measure,
    "foreign_work": foreign_work.measure,
    "burst": burst.measure,
    "sweep": sweep.measure,
    "import": first_import.measure,
    "publish": publish.measure,
    "both_ways": both_ways.measure,
    "person_lost": people.lost,
    "declined_again": decisions.measure,
    "evals_once": evaluations.measure,
    "needless_pushes": people.pushes,
    "typo": typo.measure,
    "soak": soak.measure,
    "idle": idle.measure,
    "log_ratio": logs.measure,
    "log_lost": logs.lost,
    "served": served_reads.measure,
    "served_latency": served_processes.latency,
    "merge_to_served": served_processes.merges,
    "served_cold": served_processes.cold,
    "unmerged_served": served_edits.edits,
    "same_answer": served_edits.answers,
    "page": pages.measure,
    "takeover": several.takeover,
    "scale_out": several.scale_out,
}


def main(names: Sequence[str]) -> int:
    if unknown := set(names) - MEASURES.keys():
        print(f"No figure {', '.join(unknown)}; there are {', '.join(MEASURES)}.", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    failed = [name for name in names or MEASURES if not _measure(name, figures)]
    _show(figures)
    return 1 if failed else 0


def _measure(name: str, figures: list[Figure]) -> bool:
    """Print the figures as they come; a measure that breaks does not take the others with it."""
    started = time.monotonic()
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        for figure in MEASURES[name]():
            print(figure.line(), flush=True)
            figures.append(figure)
    except Exception:
        traceback.print_exc()
        return False
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return True


def _show(figures: Sequence[Figure]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("figure", "value", "against", "unit", "ratio", "goal", ""):
        table.add_column(heading, justify="right" if heading in ("value", "against") else "left")
    for figure in figures:
        verdict = {True: "ok", False: "[bold red]missed[/]", None: ""}[figure.ok]
        numbers = (_spelled(figure.value), _spelled(figure.against))
        row = (figure.name, *numbers, figure.unit, _spelled(figure.ratio), figure.goal or "")
        table.add_row(*row, verdict)
    Console(stderr=True, width=120).print(table)


def _spelled(number: float | None) -> str:
    return "" if number is None else f"{number:,.6g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
