from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.serve.application_server import ApplicationServer, start_application_server


@pytest.fixture
def server() -> Iterator[ApplicationServer]:
    with start_application_server() as started:
        yield started
