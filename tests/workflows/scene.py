"""A repository whose CI publishes prompts: the servers around it, a checkout of it, and a Python
into which CI installs the bridge without asking anybody outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from tests.standins.git_http import commit_files, git, read_file

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds for one run of CI
API_KEY = "pl_0123456789abcdef"
REPLY = "support/reply"
PROMPT_FILE = "prompts/latest/support/reply.yaml"


def config(platform: str, forge: Mapping[str, Any], repository: str) -> bytes:
    """A bridge.yaml (JSON is YAML) with one mapping that publishes."""
    document = {
        "promptlayer": {"api_key": "${PROMPTLAYER_API_KEY}", "base_url": platform},
        "forges": {"forge": forge},
        "mappings": [
            {
                "name": "support",
                "prompts": ["support/*"],
                "repository": f"forge:{repository}",
                "publish": True,
            }
        ],
    }
    return json.dumps(document, indent=2).encode()


@dataclass
class Scene:
    """``repository`` is the forge's, bare; ``checkout`` is what a runner has of it."""

    folder: Path
    platform: str  # address
    registry: PromptRegistry
    repository: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def merge(self, files: Mapping[str, bytes], branch: str = "main") -> None:
        commit_files(self.repository, branch, files)

    def take(self) -> None:
        """Save a prompt in PromptLayer, and merge the file of it."""
        self.registry.save_version(REPLY, build_chat_template(("system", "Be kind.")))
        with PromptLayerClient(API_KEY, base_url=self.platform) as promptlayer:
            (item,) = promptlayer.list_prompts()
        self.merge({PROMPT_FILE: render_prompt_file(PromptFile(item.prompt, LATEST)).encode()})

    def edit(self, branch: str = "main") -> None:
        text = read_file(self.repository, "main", PROMPT_FILE)
        assert b"Be kind" in text
        self.merge({PROMPT_FILE: text.replace(b"Be kind", b"Be brief")}, branch)

    def texts(self) -> list[str]:
        """What each version of the prompt says, the oldest first."""
        versions = self.registry.find_entry(REPLY).versions
        return [each.template["messages"][0]["content"][0]["text"] for each in versions]

    def check_out(self, branch: str, address: str) -> None:
        """A clone of ``branch`` whose origin has this address, as a runner has it."""
        git(self.folder, "clone", "--quiet", "--branch", branch, str(self.repository), "checkout")
        git(self.checkout, "remote", "set-url", "origin", address)

    def run(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A runner in the checkout; nothing of this machine's settings reaches it."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return subprocess.run(
            words,
            cwd=self.checkout,
            env={
                "HOME": str(home),
                "PATH": f"{self._python()}:{os.environ['PATH']}",
                "PIP_NO_INDEX": "1",
                "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of: none
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def _python(self) -> Path:
        """The folder of a Python that has the packages of this one, pip among them, and no bridge."""
        place = self.folder / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        (packages,) = place.glob("lib/python3*/site-packages")
        known = [each for each in sys.path if each.endswith("site-packages")]
        (packages / "known.pth").write_text("\n".join(known) + "\n")
        return place / "bin"


def copy_source(to: Path) -> None:
    """What git knows of this project: building leaves traces beside the source."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    for name in (os.fsdecode(each) for each in listed.split(b"\0") if each):
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())
