"""What is really there: versions and labels, prompt files, and open pull requests."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template
from tests.model.page import File, Text
from tests.standins.git_http import GIT_ENVIRONMENT

ROLES = ("system", "user", "assistant")
WORD = re.compile(r"w\d+x")


@dataclass(frozen=True)
class OpenPull:
    """An open pull request of one target."""

    number: int
    head: str
    body: str
    path: str | None  # of the file on its branch; None: it is gone there
    file: File | None

    @property
    def conflicts(self) -> bool:
        """Whether the body says that both sides changed the same."""
        return bool(re.search(r"both sides changed|overwrites", self.body, re.IGNORECASE))


def template_of(text: Text) -> JsonObject:
    return build_chat_template(*zip(ROLES, text, strict=True))


def words_of(template: JsonObject) -> Text:
    return tuple(WORD.findall(json.dumps(template)))


def spell_file(name: str, label: str, text: Text, id: int | None = None, version: int = 1) -> str:
    """A prompt file as an engineer writes it."""
    lines = ["kind: prompt/v1", *([f"id: {id}"] if id is not None else []), f"name: {name}"]
    lines += [*([f"version: {version}"] if id is not None else []), f"label: {label}", "type: chat"]
    lines.append("messages:")
    for role, word in zip(ROLES, text, strict=True):
        lines += [f"  - role: {role}", f"    content: {word}"]
    return "\n".join(lines) + "\n"


def parse_file(text: str | None, label: str) -> File | None:
    """What a file says, read by a YAML reader that is nobody's but the test's."""
    if text is None:
        return None
    held = yaml.safe_load(text)
    words = tuple(WORD.findall(json.dumps(held["messages"])))
    return File(words, held["name"], "id" in held, held["label"] == label)


def read_blobs(repository: Path, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Revision and path → the file's text, for those that are there; one run of git for all."""
    asked = list(dict.fromkeys(wanted))
    lines = "".join(f"{revision}:{path}\n" for revision, path in asked)
    finished = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch"],
        input=lines.encode(),
        capture_output=True,
        check=True,
        env=GIT_ENVIRONMENT,
    )
    found, rest = {}, finished.stdout
    for each in asked:
        head, _, rest = rest.partition(b"\n")
        if head.endswith(b"missing"):
            continue
        size = int(head.rpartition(b" ")[2])
        found[each], rest = rest[:size].decode(), rest[size + 1 :]
    return found
