"""Programs that some tests need and that not every machine has."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def find_program(name: str) -> str:
    """The path of a program that ``.ci/bring`` brings to CI; ends the test where it is missing."""
    return shutil.which(name) or end_without(f"{name} is not installed here")


def end_without(missing: str) -> NoReturn:
    """Skip this test, saying what it misses. With the variable CI set fail it instead: a check
    that nobody sees being skipped checks nothing."""
    if os.environ.get("CI"):
        pytest.fail(f"{missing}, and CI skips nothing: see .ci/bring")
    pytest.skip(missing)
