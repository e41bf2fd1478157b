from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from tests.standins.serving import serve
from tests.workflows.scene import API_KEY


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def platform(registry: Registry) -> Iterator[str]:
    """The address of a PromptLayer that holds ``registry``."""
    with serve(promptlayer_app(registry, api_key=API_KEY)) as url:
        yield url
