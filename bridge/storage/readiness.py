"""Check whether this process can work: the database answers, and the disk has space.

The forges and PromptLayer are not checked, as deliveries are stored without them.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError
from bridge.storage.database import Database

MIN_FREE_BYTES = 100 * 1024 * 1024  # bytes that have to be free for mirrors and databases

log = logging.getLogger("bridge.readiness")


@dataclass(frozen=True)
class ReadinessCheck:
    """``folder`` is that of the setting ``data``; ``floor`` is in bytes."""

    database: Database
    folder: Path
    floor: int = MIN_FREE_BYTES

    def find_problems(self) -> Mapping[str, str]:
        """The problems, by check: ``database``, ``disk``. Empty when the process is ready. The
        texts contain no address and no path; the log does."""
        found = {"database": self._database(), "disk": self._disk()}
        return {name: message for name, message in found.items() if message}

    def _database(self) -> str:
        try:
            with self.database.open_transaction() as connection:
                connection.exec_driver_sql("UPDATE schema_version SET version = version")
        except BridgeError as error:
            log.error("not ready: %s", error)
            return "it cannot be written, or does not answer"
        return ""

    def _disk(self) -> str:
        try:
            free = shutil.disk_usage(self.folder).free
            with tempfile.TemporaryFile(dir=self.folder, prefix=".ready-") as file:
                file.write(b"\0" * 4096)
        except OSError as error:
            log.error("not ready: %s cannot be written (%s)", self.folder, error.strerror)
            return "the data folder cannot be written"
        if free < self.floor:
            log.error("not ready: %s has only %d bytes free", self.folder, free)
            return f"{free // 2**20} MiB are free, and {self.floor // 2**20} MiB are needed"
        return ""
