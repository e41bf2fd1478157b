from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from tests.standins.serve_app import serve
from tests.workflows.scene import API_KEY


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry()


@pytest.fixture
def platform(registry: PromptRegistry) -> Iterator[str]:
    """The address of a PromptLayer that holds ``registry``."""
    with serve(create_promptlayer_app(registry, api_key=API_KEY)) as url:
        yield url
