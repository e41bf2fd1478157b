"""Find versions that were published from another label's file, and the versions below them.

A hotfix through the file of ``prod`` makes the newest version. For ``latest`` that is no person's
save: an edit of latest's own file does not conflict with it. A draft that people saved before it is
in neither text, so the pull request has to name it.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.errors import UnsafePathError
from bridge.promptlayer.publish_version import shorten_commit_message
from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.reconcile.read_sources import BaseFiles, PlatformReader
from bridge.reconcile.source_commit import find_source_commits

_REACH = 20  # versions that are walked back


def find_overtaken(
    base_files: BaseFiles,
    platform: PlatformReader,
    target: Target,
    held: Prompt,
    agreed: Agreement | None,
) -> tuple[int, ...]:
    """Find the versions that people saved since the agreement, below a newest version that was
    published from another label's file. Empty where a person saved the newest version: that
    person saw the others."""
    if agreed is None or agreed.version is None or held.version is None:
        return ()
    if held.version <= agreed.version + 1:
        return ()
    if not is_of_another_label(base_files, target, held, agreed):
        return ()
    known = (held.digest, agreed.platform, agreed.repository)
    numbers = range(max(agreed.version + 1, held.version - _REACH), held.version)
    versions = (platform.read_version(target.prompt_id, number) for number in numbers)
    return tuple(
        version.version or 0
        for version in versions
        if version is not None
        and version.digest not in known
        and not is_published_from_other_label(base_files, target, version)
    )


def is_of_another_label(
    base_files: BaseFiles, target: Target, held: Prompt, agreed: Agreement | None
) -> bool:
    """Whether the newest version was published from another label's file."""
    if target.label != LATEST or agreed is None or agreed.version == held.version:
        return False
    return is_published_from_other_label(base_files, target, held)


def is_published_from_other_label(base_files: BaseFiles, target: Target, version: Prompt) -> bool:
    """Whether a version was published from another label's file: by its metadata, or, where
    PromptLayer dropped that, by a file of another label with its text whose commit message
    the version has."""
    if version.source is not None:
        own = base_files.find({target: _home(base_files, version, target.label)}).get(target)
        return own is None or version.source.path != own.path
    labels = [label for label in base_files.context.mapping.track if label != target.label]
    others = _files_of(base_files, target, version, labels)
    same = [file for file in others if file.prompt and file.prompt.digest == version.digest]
    if not same:
        return False
    brought = find_source_commits(
        base_files.context, base_files.snapshot, {file.path for file in same}
    )
    return version.commit_message in {
        shorten_commit_message(each.message) for each in brought.values()
    }


def _files_of(
    base_files: BaseFiles, target: Target, prompt: Prompt, labels: list[str]
) -> list[BaseBranchFile]:
    wanted = {replace(target, label=label): _home(base_files, prompt, label) for label in labels}
    return list(base_files.find(wanted).values())


def _home(base_files: BaseFiles, prompt: Prompt, label: str) -> str:
    try:
        return base_files.context.build_file_path(prompt, label)
    except UnsafePathError:
        return ""
