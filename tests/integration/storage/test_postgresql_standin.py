"""The PostgreSQL of the tests: it leaves nothing behind, however the tests end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.e2e.bridge_process import until
from tests.standins.postgresql import running_postgresql

STARTS_ONE_AND_WAITS = """
import sys
from tests.standins.postgresql import running_postgresql
with running_postgresql() as server:
    print(server.new_database(), server.folder, flush=True)
    sys.stdin.read()
"""


def test_a_server_ends_with_a_test_process_that_is_killed() -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE_AND_WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdin is not None
    assert tests.stdout is not None
    with tests.stdin, tests.stdout:
        folder = Path(tests.stdout.readline().split()[1])
        server = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])

        tests.kill()
        tests.wait()

        until(lambda: not folder.exists(), "the folder of the server was not removed")
        until(lambda: not _runs(server), "the server did not end")


def test_what_was_committed_survives_a_kill_of_a_durable_server() -> None:
    with running_postgresql(durable=True) as server:
        url = server.new_database().replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE a (x TEXT)")

        server.kill()
        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)


def _runs(process: int) -> bool:
    try:
        os.kill(process, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())
