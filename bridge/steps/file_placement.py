"""Find where a prompt's file goes: where an engineer put it, else where the mapping wants it."""

from __future__ import annotations

from dataclasses import replace

from bridge.errors import Refused, UnsafePath
from bridge.prompts.compare import BaseFile, Comparison, Standing
from bridge.prompts.prompt import Prompt
from bridge.prompts.source import format_of
from bridge.prompts.target import Target
from bridge.steps.observe import BaseFiles
from bridge.steps.site import Site


def compare_place(site: Site, comparison: Comparison, file: BaseFile | None) -> Comparison:
    """With what is in step to be moved, where the mapping's ``path`` or ``format`` became another
    one since the file was written."""
    misplaced = site.why_misplaced(file.path) if file and file.prompt else None
    if misplaced is None or comparison.standing is not Standing.IN_STEP:
        return comparison
    return Comparison(Standing.PLATFORM_AHEAD, misplaced)


def place_file(files: BaseFiles, target: Target, prompt: Prompt, file: BaseFile | None) -> str:
    """The path of a prompt's file, of which ``file`` is what the base has. Raises Refused where
    something else is there."""
    site = files.site
    path = site.path(prompt, target.label)
    if file is not None and not _follows_its_name(site, target, prompt, file):
        path = _keep_place(site, path, file.path)
    if (file is None or file.path != path) and path in files.entries:
        raise Refused(
            f"{path} is there already and does not belong to prompt {prompt.id}"
            f" ({prompt.name!r}){files.problem_of(path)}. Move that file, or change the mapping's"
            " `path`."
        )
    return path


def _keep_place(site: Site, home: str, path: str) -> str:
    """Where a file stays that stands at ``path``: in the mapping's folder and format."""
    if not path.startswith(site.folder):
        return home
    if format_of(path) == site.mapping.format:
        return path
    return f"{path.rpartition('.')[0]}.{home.rpartition('.')[2]}"


def _follows_its_name(site: Site, target: Target, prompt: Prompt, file: BaseFile) -> bool:
    """Whether the prompt was renamed and its file stands where the old name put it."""
    if file.prompt is None or file.prompt.name == prompt.name:
        return False
    old = replace(file.prompt, id=target.prompt_id)
    try:
        return site.path(old, target.label) == file.path
    except UnsafePath:
        return False
