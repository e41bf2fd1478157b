"""Which prompts a mapping is about. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Selection:
    """All conditions that are given must hold: a name or glob, every tag, the folder."""

    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    folder: str | None = None

    def may_hold(self, name: str) -> bool:
        """Whether a prompt of this name can be meant, as far as the name tells."""
        if not self.names:
            return True
        wanted = [pattern for pattern in self.names if not pattern.startswith("!")]
        excluded = [pattern[1:] for pattern in self.names if pattern.startswith("!")]
        if any(_glob(pattern).fullmatch(name) for pattern in excluded):
            return False
        return not wanted or any(_glob(pattern).fullmatch(name) for pattern in wanted)

    def holds(self, name: str, tags: tuple[str, ...], folder: str | None) -> bool:
        """Whether this prompt is meant. ``folder`` is PromptLayer's full path, ``A/B``; None is
        the top."""
        return (
            self.may_hold(name)
            and set(self.tags) <= set(tags)
            and (self.folder is None or _inside(folder or "", self.folder))
        )


def _inside(folder: str, wanted: str) -> bool:
    wanted = wanted.strip("/")
    folder = folder.strip("/")
    return not wanted or folder == wanted or folder.startswith(wanted + "/")


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within one folder of a name, ``**`` does not, and ``**/`` is any number
    of folders or none; all else is literal."""
    parts = re.split(r"((?:^|(?<=/))\*\*/|\*\*|\*|\?)", pattern)
    spelled = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(spelled.get(part, re.escape(part)) for part in parts), re.DOTALL)
