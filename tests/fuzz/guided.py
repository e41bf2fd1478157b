"""``python -m tests.fuzz.guided TARGET [SECONDS]``: a target steered by coverage.

Needs atheris (``pip install atheris``). It is another search than the numbered one: libFuzzer
keeps the bytes of a finding in a file, and ends the process with a status other than 0.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tests.fuzz.random_source import Steered

LONGEST = 4096  # bytes of choices


def main(words: Sequence[str]) -> int:
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        print("This needs atheris: pip install atheris", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["bridge"]):
        targets = importlib.import_module("tests.fuzz.all_targets").TARGETS
    name, seconds = (*words, "", "60")[0], (*words, "60")[1]
    if name not in targets:
        print(f"Name one of {', '.join(targets)}.", file=sys.stderr)
        return 2
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}"]
    atheris.Setup([sys.argv[0], *limits], lambda content: targets[name].try_one(Steered(content)))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
