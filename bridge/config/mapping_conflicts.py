"""Find mappings that conflict with each other or with the rest of the file. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from bridge.config.mapping_settings import MappingSettings
from bridge.prompts.paths import find_static_prefix


@dataclass(frozen=True)
class MisplacedSetting:
    """A mapping's setting that conflicts with the rest of the file."""

    index: int  # of the mapping
    setting: str
    message: str
    other_index: int | None = None  # of the earlier mapping


def find_misplaced_settings(
    mappings: Sequence[MappingSettings], forges: Collection[str], workspaces: Collection[str]
) -> Iterator[MisplacedSetting]:
    """Every conflicting setting. ``workspaces`` are the names of all workspaces; empty where there
    is one without a name."""
    earlier = _MappingIndex(mappings)
    for index, mapping in enumerate(mappings):
        if mapping.forge_name not in forges or not mapping.repository_name:
            known = ", ".join(sorted(forges))
            text = f"expected forge:owner/name with a forge of this file ({known})"
            yield MisplacedSetting(index, "repository", text)
        if strange := _strange_workspace(mapping, workspaces):
            yield MisplacedSetting(index, "workspace", strange)
        yield from earlier.find_conflicts_with(index)
        earlier.add(index)


def _strange_workspace(mapping: MappingSettings, workspaces: Collection[str]) -> str | None:
    if mapping.workspace is None:
        known = ", ".join(sorted(workspaces))
        return f"expected one of {known}, as there are several" if len(workspaces) > 1 else None
    if not workspaces:
        return "there is only one, promptlayer: leave this out, or name it under workspaces"
    if mapping.workspace not in workspaces:
        return f"expected a workspace of this file ({', '.join(sorted(workspaces))})"
    return None


@dataclass
class _MappingIndex:
    """The mappings so far, indexed by what a later one may share with them, so that hundreds need
    no comparison of each pair."""

    mappings: Sequence[MappingSettings]
    _names: dict[str, int] = field(default_factory=dict)
    _in: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    _below: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    _branches: dict[tuple[str, str], int] = field(default_factory=dict)
    _above_branches: dict[tuple[str, str], int] = field(default_factory=dict)
    _on: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, index: int) -> None:
        mapping = self.mappings[index]
        folder = find_static_prefix(mapping.path)
        self._names.setdefault(mapping.name, index)
        self._in[mapping.repository, folder].append(index)
        for above in _folders_above(folder):
            self._below[mapping.repository, above].append(index)
        prefix = mapping.branch_prefix
        self._branches.setdefault((mapping.repository, prefix), index)
        for above in _folders_above(prefix):
            self._above_branches.setdefault((mapping.repository, above), index)
        if "{mapping}" not in mapping.branch_template:
            self._on[mapping.repository, mapping.branch_template].append(index)

    def find_conflicts_with(self, index: int) -> Iterator[MisplacedSetting]:
        """The conflicts of a mapping with those before it."""
        mapping = self.mappings[index]
        if (same := self._names.get(mapping.name)) is not None:
            yield MisplacedSetting(index, "name", f"{mapping.name!r} is used twice", same)
        for other in self._near(mapping):
            if mapping.conflicts_with(self.mappings[other]):
                yield MisplacedSetting(index, "path", self._same_folder(mapping, other), other)
                break
        for other in self._on.get((mapping.repository, mapping.branch_template), ()):
            if mapping.shares_branches_with(self.mappings[other]):
                name = self.mappings[other].name
                text = f"mapping {name} proposes on the same branches; add {{mapping}}"
                yield MisplacedSetting(index, "branch", text, other)
                break

        if (blocking := self._find_blocking(mapping)) is not None:
            name = self.mappings[blocking].name
            text = (
                f"mapping {name} has branches that cannot stand beside {mapping.branch_prefix}: git"
                " has no branch that is a folder of others as well; begin it otherwise"
            )
            yield MisplacedSetting(index, "branch", text, blocking)

    def _find_blocking(self, mapping: MappingSettings) -> int | None:
        """An earlier mapping whose single branch would be a folder of this mapping's branches, or
        the reverse. Git allows no branch below another."""
        repository, prefix = mapping.repository, mapping.branch_prefix
        above = [each for each in (*_folders_above(prefix), prefix) if each.endswith("/")]
        found = [self._branches.get((repository, each.removesuffix("/"))) for each in above]
        if not prefix.endswith("/"):
            below = repository, f"{prefix}/"
            found += [self._branches.get(below), self._above_branches.get(below)]
        return next((each for each in found if each is not None), None)

    def _near(self, mapping: MappingSettings) -> Iterator[int]:
        """The mappings whose files are in the same folder of the repository, above it or below."""
        folder = find_static_prefix(mapping.path)
        for place in (*_folders_above(folder), folder):
            yield from self._in.get((mapping.repository, place), ())
        yield from self._below.get((mapping.repository, folder), ())

    def _same_folder(self, mapping: MappingSettings, other: int) -> str:
        return (
            f"mapping {self.mappings[other].name} has its files in the same folder of this"
            f" repository; begin the path with a folder of its own, such as {mapping.name}/"
        )


def _folders_above(folder: str) -> tuple[str, ...]:
    """``""``, ``a/`` and ``a/b/`` for ``a/b/c/``; none for ``""``."""
    return tuple(folder[:at] for at in range(len(folder)) if at == 0 or folder[at - 1] == "/")
