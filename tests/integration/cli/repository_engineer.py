"""What an engineer does with prompt files, on the main branch of the desk's repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from tests.integration.cli.cli_workspace import CONFIG, KEY, CliWorkspace
from tests.standins.git_http import commit_files, read_file

BASE = "main"


@dataclass(frozen=True)
class RepositoryEngineer:
    workspace: CliWorkspace

    @property
    def repository(self) -> Path:
        return Path(self.workspace.forge.create_git_remote().url)

    def merge_files(self, files: dict[str, bytes | None], branch: str = BASE) -> str:
        """Files (None: removed) that are merged to main; the commit."""
        return commit_files(self.repository, branch, files)

    def take_files(self, *names: str) -> None:
        """The files of these prompts, as PromptLayer has them now."""
        with PromptLayerClient(KEY, base_url=self.workspace.platform) as promptlayer:
            prompts = [
                item.prompt for item in promptlayer.list_prompts() if item.prompt.name in names
            ]
        self.merge_files(
            {path(p.name): render_prompt_file(PromptFile(p, LATEST)).encode() for p in prompts}
        )

    def read_file(self, name: str) -> str:
        return read_file(self.repository, BASE, path(name)).decode()

    def edit_file(self, name: str, old: str, new: str) -> None:
        text = self.read_file(name)
        assert old in text
        self.merge_files({path(name): text.replace(old, new).encode()})

    def write_new_file(self, name: str, text: str = "Be new.") -> None:
        """A prompt that PromptLayer does not know."""
        self.merge_files({path(name): new_file(name, text)})


def path(name: str) -> str:
    return f"prompts/latest/{name}.yaml"


def new_file(name: str, text: str = "Be new.") -> bytes:
    """As an engineer writes it: without an id."""
    return (
        f"kind: prompt/v1\nname: {name}\nlabel: latest\ntype: chat\n"
        f"messages:\n  - role: system\n    content: {text}\n"
    ).encode()


def publishing(workspace: CliWorkspace, more: str = "") -> RepositoryEngineer:
    """The desk's mapping publishes."""
    workspace.configure(f"{CONFIG}    publish: true\n{more}")
    return RepositoryEngineer(workspace)
