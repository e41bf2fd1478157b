"""Read a results file within its limits, and raise its mistakes with their place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NoReturn, TypeVar

from bridge.errors import ResultsError
from bridge.prompts.prompt import Json
from bridge.prompts.pull_request.markdown import collapse_to_one_line, shorten_middle

MAX_FILE_BYTES = 50 * 1024 * 1024
MAX_CASES = 100_000
_LONGEST_MISTAKE = 300  # characters: what is wrong, and as much of where as fits

CaseItem = TypeVar("CaseItem")

_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class ResultsFile:
    """The content of a file, and its name for messages."""

    name: str
    content: bytes

    @classmethod
    def open(cls, path: Path) -> ResultsFile:
        """Raises ResultsError for a file that is not there, not a file, or over the limit."""
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            reason = error.strerror or "the operating system refuses it"
            raise ResultsError(f"{path}: the results cannot be read: {reason}.") from None
        file = cls(str(path), content)
        if len(content) > MAX_FILE_BYTES:
            file.raise_mistake(
                f"the file is over {MAX_FILE_BYTES // 1024**2} MB; split it by test suite"
            )
        return file

    @property
    def text(self) -> str:
        """The content, with or without a byte order mark."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            self.raise_mistake("expected UTF-8 text", line)

    @cached_property
    def parsed_json(self) -> Json:
        text = self.text
        try:
            document = json.loads(text, parse_constant=self._refuse_constant)
            return _without_halves(document) if _HALF_CHARACTER.search(text) else document
        except json.JSONDecodeError as error:
            self.raise_mistake(f"expected JSON: {error.msg}", error.lineno)
        except ValueError:
            self.raise_mistake("there is a number of thousands of digits in it")
        except RecursionError:
            self.raise_mistake("the JSON is nested too deeply")

    def raise_mistake(self, mistake: str, line: int | None = None) -> NoReturn:
        place = self.name if line is None else f"{self.name}:{line}"
        raise ResultsError(
            f"{place}: {shorten_middle(collapse_to_one_line(mistake), _LONGEST_MISTAKE)}."
        )

    def limit_cases(self, cases: Iterable[CaseItem]) -> Iterator[CaseItem]:
        """The cases, as long as they are not too many."""
        for count, case in enumerate(cases):
            if count == MAX_CASES:
                self.raise_mistake(f"more than {MAX_CASES:,} cases; split the file by test suite")
            yield case

    def parse_score(self, value: Json, place: str, line: int | None = None) -> float:
        """A number from 0 to 1, or ResultsError."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.raise_mistake(f"{place}: expected a number from 0 to 1", line)
        if not 0 <= value <= 1:  # false for NaN, too
            hint = "; divide percentages by 100" if 1 < value <= 100 else ""
            self.raise_mistake(
                f"{place}: expected a number from 0 to 1, got {value!r:.20}{hint}", line
            )
        return float(value)

    def _refuse_constant(self, name: str) -> NoReturn:
        self.raise_mistake(f"{name} is no number; leave a score out where there is none")


def format_value(value: Json) -> str | None:
    """Format a value for people: text as it is, everything else as JSON; None for nothing."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def parse_timestamp(value: Json) -> datetime | None:
    """An ISO 8601 moment, in UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def clamp_score(value: Json) -> float | None:
    """A score of a tool that lets graders give any number, brought between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(min(max(value, 0), 1))


def _without_halves(value: Json) -> Json:
    """The document with lone surrogates replaced: JSON can spell them, UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(item) for key, item in value.items()}
    return value
