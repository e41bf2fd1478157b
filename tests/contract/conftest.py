"""The suite runs on every adapter: ``case`` on all, ``hosted_case`` on those reached by requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest

from tests.contract.forge_case import ForgeCase, HostedCase

HOSTED = ["github", "gitlab"]


@pytest.fixture(params=["local", *HOSTED])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeCase]:
    """A forge adapter over a fresh repository."""
    with _opened(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture(params=HOSTED)
def hosted_case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostedCase]:
    """A forge adapter whose requests are counted and can be made to fail."""
    with _opened(request.param, tmp_path) as opened:
        yield opened


def _opened(name: str, tmp_path: Path) -> AbstractContextManager[HostedCase]:
    module = import_module(f"tests.contract.{name}_case")
    open_case = getattr(module, f"{name}_case")
    return cast(AbstractContextManager[HostedCase], open_case(tmp_path))
