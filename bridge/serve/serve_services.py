"""What the endpoints of reads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.serve.application_tokens import FindTokens
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.serve_response import CountRead, ServeEndpoint

IsStopping = Callable[[], bool]


@dataclass(frozen=True)
class ServedMapping:
    """A mapping that serves what is merged."""

    name: str
    source: str
    repository: str


FindServedMappings = Callable[[], Sequence[ServedMapping]]


@dataclass(frozen=True)
class ServeServices:
    """What the endpoints of reads work with."""

    find_tokens: FindTokens
    reader: ReleaseReader
    answers: AnswerFinder
    find_mappings: FindServedMappings
    is_stopping: IsStopping
    count_read: CountRead


class ReleaseEndpoint(ServeEndpoint):
    """An endpoint that answers from the releases in memory."""

    def __init__(self, services: ServeServices) -> None:
        super().__init__(services.find_tokens, services.count_read)
        self._services = services
        self._reader = services.reader
