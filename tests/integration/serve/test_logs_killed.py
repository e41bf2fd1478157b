"""A confirmed log survives SIGKILL, while PromptLayer fails as well."""

from __future__ import annotations

from pathlib import Path

from tests.integration.serve.killed_log_server import run_with_kills


def test_no_confirmed_log_is_lost_by_kills(tmp_path: Path) -> None:
    report = run_with_kills(tmp_path, kills=4)

    assert report.confirmed > 4
    assert (report.lost, report.refused) == (0, 0)


def test_a_server_that_confirms_before_it_stores_is_found_out(tmp_path: Path) -> None:
    assert run_with_kills(tmp_path, kills=1, forget=True).lost > 0
