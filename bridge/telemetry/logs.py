"""Set up the log: one line for each event, as text for people or as JSON for programs.

Every line has the context of ``bridge.telemetry.log_context``. Secrets of the configuration are
masked in every line, also in those of libraries.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

from bridge.telemetry.log_context import get_log_context


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


_HIDDEN = "…"
_SHORTEST_SECRET = 6  # characters; a shorter one would mask parts of ordinary words
_ID_SHOWN = 12  # characters shown of a delivery's id
# At lower levels these log every request, or its whole content.
_QUIET = ("httpx2", "httpcore2", "uvicorn", "git", "github", "urllib3", "opentelemetry")
_ENGINE = "dbos"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_ENGINES_OWN = frozenset({"applicationID", "applicationVersion", "executorID", "operationUUID"})


def configure_logging(
    form: str, level: str, secrets: Iterable[str] = (), *, stream: TextIO | None = None
) -> None:
    """Log to ``stream`` (standard error) in ``form`` (text or json), from ``level`` on. A second
    call replaces the first."""
    target = logging.StreamHandler(sys.stderr if stream is None else stream)
    lines = JsonLogFormatter() if form == LogFormat.JSON else TextLogFormatter()
    target.setFormatter(SecretMaskingFormatter(lines, secrets))
    root = logging.getLogger()
    for old in [
        each for each in root.handlers if isinstance(each.formatter, SecretMaskingFormatter)
    ]:
        root.removeHandler(old)
    root.addHandler(target)
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(chosen, logging.INFO))
    logging.getLogger("bridge").setLevel(chosen)
    for noisy in _QUIET:
        logging.getLogger(noisy).setLevel(max(chosen, logging.WARNING))
    _same_way(logging.getLogger(_ENGINE))


def _same_way(logger: logging.Logger) -> None:
    """Route the lines of DBOS to the same handler; it would otherwise add one of its own."""
    for own in list(logger.handlers):
        logger.removeHandler(own)
    logger.addHandler(logging.NullHandler())
    logger.propagate = True


class SecretMaskingFormatter(logging.Formatter):
    """Mask each secret in the lines of another formatter, as errors of libraries may quote one."""

    def __init__(self, lines: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._lines = lines
        # As it is, and as JSON escapes it; the longest first, as one may contain another.
        spelled = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1])}
        told = (secret for secret in spelled if len(secret) >= _SHORTEST_SECRET)
        self._secrets = sorted(told, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = self._lines.format(record)
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        return line


class TextLogFormatter(logging.Formatter):
    """Time, level, logger and message; then the values of the context that the message does not
    contain."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        line = super().formatMessage(record)
        shown = {
            key: _shown(key, value)
            for key, value in get_log_context().items()
            if key in _FOR_PEOPLE
        }
        told = [f"{key}={value}" for key, value in shown.items() if value not in record.message]
        return f"{line} [{' '.join(told)}]" if told else line


_FOR_PEOPLE = ("delivery", "proposal")


def _shown(key: str, value: str) -> str:
    return value[:_ID_SHOWN] if key == "delivery" else ascii(value)[1:-1]


class JsonLogFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, the
    context, and ``exception`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **get_log_context(),
            **_extra(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _extra(record: logging.LogRecord) -> Mapping[str, object]:
    """The extra values of the line."""
    return {
        key: value
        for key, value in record.__dict__.items()
        if key not in _STANDARD and key not in _ENGINES_OWN and value is not None
    }
