"""Which version of PromptLayer's means the same as a merged file: proven by content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.errors import RequestRefusedError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.snapshot import RepositorySnapshot


@dataclass(frozen=True)
class MergedVersionFinder:
    """``versions`` are digests and numbers that were read just now, and are believed; all else that
    names a version is a hint, and that version's content is read."""

    context: MappingContext
    snapshot: RepositorySnapshot
    versions: Mapping[Target, tuple[str, int]]

    def find_version(self, target: Target, prompt: Prompt) -> int:
        """The version that means the same as the merged ``prompt``. Raises RequestRefusedError,
        saying why, where there is none, and what PromptLayer's client raises."""
        digest, number = self.versions.get(target, ("", 0))
        if digest == prompt.digest:
            return number
        checked = set[int]()
        for version in self._list_hints(target, prompt):
            if version in checked:
                continue
            checked.add(version)
            other = self.context.promptlayer.find_prompt(target.prompt_id, version=version)
            if other is not None and other.digest == prompt.digest and other.version == version:
                return version
        label = None if target.label == LATEST else target.label
        now = self.context.promptlayer.find_prompt(target.prompt_id, label=label)
        if now is not None and now.version and now.digest == prompt.digest:
            return now.version
        raise RequestRefusedError(self._explain(now))

    def _list_hints(self, target: Target, prompt: Prompt) -> Iterator[int]:
        recorded = AgreementRecord(self.context, self.snapshot).read([target]).get(target)
        if recorded is not None and recorded.platform == prompt.digest and recorded.version:
            yield recorded.version
        if prompt.version:
            yield prompt.version

    def _explain(self, now: Prompt | None) -> str:
        there = "PromptLayer has no version that means the same as the merged file"
        if now is None:
            return f"{there}, and nothing at this label"
        if self.context.mapping.publish:
            return f"{there} yet; it is published by the next reconcile"
        name = self.context.mapping.name
        return f"{there}; mapping {name} does not publish, so somebody has to save it there"


def read_merged_prompt(file: BaseBranchFile | None) -> Prompt:
    """The prompt in a merged file. Raises RequestRefusedError, with file and line, where there is
    none to be read."""
    if file is None or file.prompt is None:
        problem = file.problem if file is not None and file.problem else "the file cannot be read"
        raise RequestRefusedError(problem)
    return file.prompt
