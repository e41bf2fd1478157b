"""What an engineer does with prompt files, on the main branch of the desk's repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bridge.promptlayer.client import PromptLayer
from bridge.prompts.file import render
from bridge.prompts.prompt import LATEST, PromptFile
from tests.integration.cli.desk import CONFIG, KEY, Desk
from tests.standins.git_http import commit_files, read_file

BASE = "main"


@dataclass(frozen=True)
class Engineer:
    desk: Desk

    @property
    def repository(self) -> Path:
        return Path(self.desk.forge.git_remote().url)

    def merges(self, files: dict[str, bytes | None], branch: str = BASE) -> str:
        """Files (None: removed) that are merged to main; the commit."""
        return commit_files(self.repository, branch, files)

    def takes(self, *names: str) -> None:
        """The files of these prompts, as PromptLayer has them now."""
        with PromptLayer(KEY, base_url=self.desk.platform) as platform:
            prompts = [item.prompt for item in platform.prompts() if item.prompt.name in names]
        self.merges({path(p.name): render(PromptFile(p, LATEST)).encode() for p in prompts})

    def reads(self, name: str) -> str:
        return read_file(self.repository, BASE, path(name)).decode()

    def edits(self, name: str, old: str, new: str) -> None:
        text = self.reads(name)
        assert old in text
        self.merges({path(name): text.replace(old, new).encode()})

    def writes(self, name: str, text: str = "Be new.") -> None:
        """A prompt that PromptLayer does not know."""
        self.merges({path(name): new_file(name, text)})


def path(name: str) -> str:
    return f"prompts/latest/{name}.yaml"


def new_file(name: str, text: str = "Be new.") -> bytes:
    """As an engineer writes it: without an id."""
    return (
        f"kind: prompt/v1\nname: {name}\nlabel: latest\ntype: chat\n"
        f"messages:\n  - role: system\n    content: {text}\n"
    ).encode()


def publishing(desk: Desk, more: str = "") -> Engineer:
    """The desk's mapping publishes."""
    desk.configure(f"{CONFIG}    publish: true\n{more}")
    return Engineer(desk)
