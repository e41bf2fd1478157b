"""Read the values of ``${NAME}`` and ``${file:/path}`` in settings files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE_PREFIX = "file:"

_LARGEST = 64 * 1024  # bytes


@dataclass(frozen=True)
class VariableSource:
    """Variables of the environment, and files, relative ones below ``folder``. Without a folder,
    files may not be named."""

    environment: Mapping[str, str] = field(repr=False)
    folder: Path | None = None

    def find(self, name: str) -> str:
        """The value of a variable. Raises LookupError with a message for people when there is
        none."""
        if name.startswith(FILE_PREFIX):
            return self._content(name.removeprefix(FILE_PREFIX))
        if name not in self.environment:
            raise LookupError(f"the environment variable {name} is not set")
        return self.environment[name]

    def _content(self, path: str) -> str:
        """The content of a file without a line end at its end, which editors and tools add."""
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
