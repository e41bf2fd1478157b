"""Find where a prompt's file goes: where an engineer put it, else where the mapping wants it."""

from __future__ import annotations

from dataclasses import replace

from bridge.errors import RequestRefusedError, UnsafePathError
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.planning.drift import BaseBranchFile, DriftComparison, DriftStatus
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import BaseFiles


def compare_place(
    context: MappingContext, comparison: DriftComparison, file: BaseBranchFile | None
) -> DriftComparison:
    """Report a file in step as outdated where the mapping's ``path`` or ``format`` changed since
    it was written."""
    misplaced = context.explain_misplacement(file.path) if file and file.prompt else None
    if misplaced is None or comparison.status is not DriftStatus.IN_STEP:
        return comparison
    return DriftComparison(DriftStatus.PLATFORM_AHEAD, misplaced)


def place_file(
    base_files: BaseFiles, target: Target, prompt: Prompt, file: BaseBranchFile | None
) -> str:
    """The path of a prompt's file, of which ``file`` is what the base has. Raises
    RequestRefusedError where something else is there."""
    context = base_files.context
    path = context.build_file_path(prompt, target.label)
    if file is not None and not _follows_its_name(context, target, prompt, file):
        path = _keep_place(context, path, file.path)
    if (file is None or file.path != path) and path in base_files.entries:
        raise RequestRefusedError(
            f"{path} is there already and does not belong to prompt {prompt.id}"
            f" ({prompt.name!r}){base_files.describe_problem(path)}. Move that file, or change the mapping's"
            " `path`."
        )
    return path


def _keep_place(context: MappingContext, home: str, path: str) -> str:
    """Keep the path of a file that is in the mapping's folder; its suffix follows the mapping's
    format."""
    if not path.startswith(context.folder):
        return home
    if format_of(path) == context.mapping.format:
        return path
    return f"{path.rpartition('.')[0]}.{home.rpartition('.')[2]}"


def _follows_its_name(
    context: MappingContext, target: Target, prompt: Prompt, file: BaseBranchFile
) -> bool:
    """Whether the prompt was renamed and its file stands where the old name put it."""
    if file.prompt is None or file.prompt.name == prompt.name:
        return False
    old = replace(file.prompt, id=target.prompt_id)
    try:
        return context.build_file_path(old, target.label) == file.path
    except UnsafePathError:
        return False
