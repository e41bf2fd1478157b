"""Which prompts a mapping is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.prompts.glob import matches_glob


@dataclass(frozen=True)
class PromptSelection:
    """All conditions that are given must hold: a name or glob, every tag, the folder."""

    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    folder: str | None = None

    def may_match_name(self, name: str) -> bool:
        """Whether the names of the selection match a prompt's name."""
        if not self.names:
            return True
        if any(matches_glob(pattern, name) for pattern in self.excluded):
            return False
        return not self.wanted or any(matches_glob(pattern, name) for pattern in self.wanted)

    def matches(self, name: str, tags: tuple[str, ...], folder: str | None) -> bool:
        """Whether this prompt is meant. ``folder`` is PromptLayer's full path, ``A/B``; None is
        the top."""
        return self.find_excluding_setting(name, tags, folder) is None

    def find_excluding_setting(
        self, name: str, tags: tuple[str, ...], folder: str | None
    ) -> str | None:
        """Find the setting that leaves this prompt out, as it stands in the mapping: ``tags:
        eu``. None where the prompt is selected."""
        if not self.may_match_name(name):
            return f"prompts: {', '.join(self.names)}"
        if not set(self.tags) <= set(tags):
            return f"tags: {', '.join(self.tags)}"
        if self.folder is not None and not _inside(folder or "", self.folder):
            return f"folder: {self.folder}"
        return None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The patterns that take prompts in."""
        return tuple(pattern for pattern in self.names if not pattern.startswith("!"))

    @property
    def excluded(self) -> tuple[str, ...]:
        """The patterns that leave prompts out, without their ``!``."""
        return tuple(pattern[1:] for pattern in self.names if pattern.startswith("!"))


def _inside(folder: str, wanted: str) -> bool:
    wanted = wanted.strip("/")
    folder = folder.strip("/")
    return not wanted or folder == wanted or folder.startswith(wanted + "/")
