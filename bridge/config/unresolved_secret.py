"""A secret whose variable has no value where the file is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from bridge.errors import ConfigError


class UnresolvedSecret(SecretStr):
    """Takes the place of a secret until something uses it. ``explanation`` says where it is named
    and which variable is missing."""

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation)
        self.explanation = explanation

    def get_secret_value(self) -> str:
        """Raises ConfigError: there is no value."""
        raise ConfigError(self.explanation)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnresolvedSecret) and self.explanation == other.explanation

    def __hash__(self) -> int:
        return hash(self.explanation)


def skip_unresolved_secret(value: Any, validate: Callable[[Any], SecretStr]) -> SecretStr:
    """A validator around others: they check a secret only where it has a value."""
    return value if isinstance(value, UnresolvedSecret) else validate(value)
