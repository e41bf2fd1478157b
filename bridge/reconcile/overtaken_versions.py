"""Find versions that were published from another label's file, and the versions below them.

A hotfix through the file of ``prod`` makes the newest version. For ``latest`` that is no person's
save: an edit of latest's own file does not conflict with it. A draft that people saved before it is
in neither text, nor in one that somebody makes of the hotfix, so the pull request has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bridge.errors import UnsafePathError
from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.reconcile.read_sources import BaseFiles, PlatformReader

_REACH = 20  # versions that are walked back


def find_overtaken(
    base_files: BaseFiles,
    platform: PlatformReader,
    target: Target,
    held: Prompt,
    agreed: Agreement | None,
) -> tuple[tuple[int, int], ...]:
    """Find the versions that people saved since the agreement, below one that was published from
    another label's file, each with the number of that version. Somebody who saves later sees the
    published text alone."""
    mapping = base_files.context.mapping
    if target.label != LATEST or not mapping.publish or len(mapping.track) == 1:
        return ()
    if agreed is None or agreed.version is None or held.version is None:
        return ()
    known = (held.digest, agreed.platform, agreed.repository)
    found, by = list[tuple[int, int]](), None
    for version in _walk_back(platform, target.prompt_id, held, agreed.version):
        if is_published_from_other_label(base_files, target, version):
            by = by or version.version
        elif by is not None and version.digest not in known:
            found.append((version.version or 0, by))
    return tuple(reversed(found))


def _walk_back(
    platform: PlatformReader, prompt_id: int, held: Prompt, agreed: int
) -> Iterator[Prompt]:
    """The versions since the agreed one, the newest first; none where the newest is its only
    successor."""
    newest = held.version or 0
    if newest <= agreed + 1:
        return
    yield held
    for number in range(newest - 1, max(agreed, newest - 1 - _REACH), -1):
        version = platform.read_version(prompt_id, number)
        if version is not None:
            yield version


def is_of_another_label(
    base_files: BaseFiles, target: Target, held: Prompt, agreed: Agreement | None
) -> bool:
    """Whether the newest version was published from another label's file."""
    if target.label != LATEST or agreed is None or agreed.version == held.version:
        return False
    return is_published_from_other_label(base_files, target, held)


def is_published_from_other_label(base_files: BaseFiles, target: Target, version: Prompt) -> bool:
    """Whether a version was published from another label's file: by its metadata, or, where
    PromptLayer dropped that, by a commit with the version's message that gave a file of another
    label its text. The file may say something else by now."""
    if version.source is not None:
        own = base_files.find({target: _home(base_files, version, target.label)}).get(target)
        return own is None or version.source.path != own.path
    changes = base_files.commits_by_message.find_changes(version.commit_message)
    return any(
        file.prompt is not None and file.prompt.digest == version.digest
        for commit, paths in changes.items()
        for file in _find_other_files(base_files.read_files_at(commit), target, version)
        if file.path in paths
    )


def _find_other_files(
    base_files: BaseFiles, target: Target, version: Prompt
) -> Iterable[BaseBranchFile]:
    """The files of the prompt's other labels."""
    labels = (label for label in base_files.context.mapping.track if label != target.label)
    wanted = {replace(target, label=label): _home(base_files, version, label) for label in labels}
    return base_files.find(wanted).values()


def _home(base_files: BaseFiles, prompt: Prompt, label: str) -> str:
    try:
        return base_files.context.build_file_path(prompt, label)
    except UnsafePathError:
        return ""
