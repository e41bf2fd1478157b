"""What ``${NAME}`` and ``${file:/path}`` in a file of settings stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE_PREFIX = "file:"

_LARGEST = 64 * 1024  # bytes


@dataclass(frozen=True)
class VariableSource:
    """The environment, and the files below ``folder`` or anywhere else. Without a folder, files
    may not be named."""

    environment: Mapping[str, str] = field(repr=False)
    folder: Path | None = None

    def find(self, name: str) -> str:
        """Raises LookupError in words for a person when there is no such value."""
        if name.startswith(FILE_PREFIX):
            return self._content(name.removeprefix(FILE_PREFIX))
        if name not in self.environment:
            raise LookupError(f"the environment variable {name} is not set")
        return self.environment[name]

    def _content(self, path: str) -> str:
        """Of a file, without the line's end that editors and tools put there."""
        if self.folder is None:
            raise LookupError("only bridge.yaml may name files")
        try:
            with (self.folder / path).open("rb") as file:
                content = file.read(_LARGEST + 1)
            if len(content) > _LARGEST:
                raise LookupError(f"the file {path} is larger than any secret")
            return content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise LookupError(f"the file {path} is not text in UTF-8") from None
        except OSError as error:
            raise LookupError(f"the file {path} cannot be read: {error.strerror}") from None
