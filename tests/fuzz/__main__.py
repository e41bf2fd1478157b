"""``python -m tests.fuzz [TARGET…]``: many inputs for what strangers can reach, and what was found.

The same seed makes the same inputs; ``--only`` tries one of them again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.table import Table

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.run import Tried, tried


def main(words: Sequence[str]) -> int:
    asked = _parser().parse_args(words)
    names: list[str] = asked.targets or list(TARGETS)
    first, count = (0, asked.inputs) if asked.only is None else (asked.only, 1)
    work = [(name, asked.seed, count, asked.seconds, first) for name in names]
    results = list(_all(work, asked.jobs))
    _show(results)
    return 1 if any(result.findings for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--seconds", type=float, default=60, help="for each target, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="the number of the one input to try")
    return parser


def _all(work: Sequence[tuple[str, int, int, float, int]], jobs: int) -> Iterator[Tried]:
    with ProcessPoolExecutor(jobs) as pool:
        for result in pool.map(_one, work):
            print(json.dumps(_told(result)), flush=True)
            for finding in result.findings:
                print(f"{finding.error}{finding.shown}\nAgain: {finding.again}", file=sys.stderr)
            yield result


def _one(work: tuple[str, int, int, float, int]) -> Tried:
    name, seed, count, seconds, first = work
    return tried(TARGETS[name], seed, count, seconds, first)


def _told(result: Tried) -> dict[str, object]:
    return {
        "target": result.target,
        "seed": result.seed,
        "inputs": result.inputs,
        "per_second": round(result.inputs / max(result.seconds, 1e-6)),
        "slowest_ms": round(1000 * result.slowest),
        "findings": len(result.findings),
    }


def _show(results: Sequence[Tried]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("target", "seed", "inputs", "a second", "slowest", "findings"):
        table.add_column(heading, justify="left" if heading == "target" else "right")
    for result in results:
        told = _told(result)
        slowest = f"{told['slowest_ms']} ms, number {result.slowest_number:,}"
        numbers = (f"{result.inputs:,}", f"{told['per_second']:,}", slowest)
        table.add_row(result.target, str(result.seed), *numbers, str(len(result.findings)))
    Console(stderr=True, width=100).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
