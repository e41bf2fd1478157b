from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.product_environment import ProductEnvironment, start_product_environment


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[ProductEnvironment]:
    with start_product_environment(tmp_path) as environment:
        yield environment
