"""File and back for ten thousand generated templates: pure, but too many for the unit tests."""

from __future__ import annotations

from random import Random

import pytest

from tests.unit.prompts.strategies import metadata, template
from tests.unit.prompts.test_file import prompt_file, pyyaml, require_round_trip, ruamel

# Together with the 400 examples of Hypothesis in the unit test: 10,000 generated templates.
SEEDS, TEMPLATES_PER_SEED = range(12), 800


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_templates_survive(seed: int) -> None:
    random = Random(seed)
    for number in range(TEMPLATES_PER_SEED):
        made = template(random)
        file = prompt_file(made, metadata=metadata(random), version=number)
        require_round_trip(file, (ruamel, pyyaml))  # its slow twin reads the 400 of the unit test
