"""Every client that the bridge asks others with: three over HTTP, and git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bridge.forge.base import GitRemote
from bridge.forge.github import GitHub, Token
from bridge.forge.gitlab import GitLab
from bridge.promptlayer.client import PromptLayer
from bridge.repo.mirror import Mirror

TOKEN = "token-of-the-bridge"
TIMEOUT = 20.0  # seconds

Ask = Callable[[str, str, Path], object]  # an address, certificates (PEM), a folder


def ask_promptlayer(url: str, authorities: str, folder: Path) -> object:
    with PromptLayer(TOKEN, base_url=url, authorities=authorities, timeout=TIMEOUT) as client:
        return client.send("GET", "/prompt-templates")


def ask_github(url: str, authorities: str, folder: Path) -> object:
    return GitHub(
        "acme/support",
        forge_name="github",
        url=url,
        auth=Token(TOKEN),
        authorities=authorities,
        timeout=TIMEOUT,
    ).default_branch()


def ask_gitlab(url: str, authorities: str, folder: Path) -> object:
    return GitLab(
        "acme/support",
        forge_name="gitlab",
        url=url,
        token=TOKEN,
        authorities=authorities,
        timeout=TIMEOUT,
    ).default_branch()


def ask_git(url: str, authorities: str, folder: Path) -> object:
    remote = GitRemote(f"{url}/acme/support.git", "bridge", TOKEN, authorities)
    return Mirror(folder / "mirror.git", timeout=TIMEOUT).fetch(remote, "main", "promptlayer/")


CLIENTS: dict[str, Ask] = {
    "promptlayer": ask_promptlayer,
    "github": ask_github,
    "gitlab": ask_gitlab,
    "git": ask_git,
}
