"""``python -m tests.chaos [--seed N] [--duration SECONDS]``: the whole product as real processes,
while everything goes wrong; then a table, and a status other than 0 for an anomaly."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.bridge_processes import can_have_disks
from tests.chaos.run import Plan, Report, run


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=300, help="seconds of trouble")
    asked = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nobody is left behind
    folder = Path(tempfile.mkdtemp(prefix="bridge-chaos-"))
    print(f"seed {asked.seed}, {asked.duration:.0f} seconds, in {folder}", file=sys.stderr)
    if not can_have_disks():
        print("No namespaces here: the mirrors' disk is not filled.", file=sys.stderr)
    report = run(Plan(asked.seed, asked.duration), folder)
    _show(report)
    if report.anomalies:
        print(f"Logs are kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _show(report: Report) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    groups = {
        "Trouble": report.troubles,
        "People": report.acts,
        "Answers to webhooks": report.answers,
        "What came of it": report.figures,
    }
    for title, counted in groups.items():
        table.add_row(f"[bold]{title}[/]")
        for name in sorted(counted) if title != "What came of it" else counted:
            table.add_row(f"  {name}", f"{counted[name]:,}")
    table.add_row("[bold]Anomalies[/]", f"[bold]{len(report.anomalies)}[/]")
    table.add_row("[bold]Seed[/]", str(report.plan.seed))
    console = Console(width=100)
    console.print(table)
    for anomaly in report.anomalies:
        console.print(f"{anomaly.kind}: {anomaly.what}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
