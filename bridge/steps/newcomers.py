"""Files without an id: prompts that an engineer wrote, and what is wrong with such files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.errors import UnsafePath
from bridge.prompts.compare import BaseFile
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import NewPrompt
from bridge.prompts.target import Target
from bridge.steps.site import Site


@dataclass
class Newcomers:
    new: list[NewPrompt] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)  # with path and line
    known: dict[Target, str] = field(default_factory=dict)  # target → name, of prompts there are


def newcomers(site: Site, files: Iterable[BaseFile], known: Mapping[str, int]) -> Newcomers:
    """What of ``files`` becomes a prompt. ``known`` are the names that PromptLayer has, with their
    ids: a file of such a name where its prompt belongs is compared like any other. A name that
    the mapping does not follow is another mapping's."""
    found = Newcomers()
    taken: dict[tuple[str, str], str] = {}
    for file in files:
        if file.prompt is None or file.label is None:
            found.mistakes.append(file.problem or file.path)
        elif not _follows(site, file.prompt, file.label):
            continue
        elif (id := known.get(file.prompt.name)) is not None:
            if _is_at_home(site, replace(file.prompt, id=id), file):
                found.known[Target(site.mapping.name, id, file.label)] = file.prompt.name
            else:
                found.mistakes.append(_exists(file, file.prompt.name, id))
        elif (first := taken.setdefault((file.prompt.name, file.label), file.path)) != file.path:
            found.mistakes.append(second_file(file.path, repr(file.prompt.name), file.label, first))
        else:
            found.new.append(NewPrompt(file.path, file.prompt, file.label))
    return found


def second_file(path: str, prompt: str, label: str, first: str) -> str:
    """What is wrong with one more file for a prompt."""
    return (
        f"{path}:1: expected one file for prompt {prompt} ({label}); {first} is it already. Remove"
        " one of them, or make this one a prompt of its own: another `name`, and no `id`."
    )


def _follows(site: Site, prompt: Prompt, label: str) -> bool:
    selection = site.mapping.selection
    return (
        label in site.mapping.track
        and selection.may_hold(prompt.name)
        and set(selection.tags) <= set(prompt.tags)
    )


def _is_at_home(site: Site, prompt: Prompt, file: BaseFile) -> bool:
    try:
        return site.path(prompt, file.label or "") == file.path
    except UnsafePath:
        return False


def _exists(file: BaseFile, name: str, id: int) -> str:
    return (
        f"{file.path}:1: a prompt named {name!r} exists already (id {id}). Write `id: {id}` into"
        " the file to make it that prompt's, or choose another name."
    )
