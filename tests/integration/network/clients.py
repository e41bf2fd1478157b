"""Every client that the bridge asks others with: three over HTTP, and git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bridge.forge.forge import GitRemote
from bridge.forge.github import GitHubForge, GitHubToken
from bridge.forge.gitlab import GitLabForge
from bridge.promptlayer.client import PromptLayerClient
from bridge.repo.mirror import RepositoryMirror

TOKEN = "token-of-the-bridge"
TIMEOUT = 20.0  # seconds

Ask = Callable[[str, str, Path], object]  # an address, certificates (PEM), a folder


def ask_promptlayer(url: str, authorities: str, folder: Path) -> object:
    with PromptLayerClient(TOKEN, base_url=url, authorities=authorities, timeout=TIMEOUT) as client:
        return client.send("GET", "/prompt-templates")


def ask_github(url: str, authorities: str, folder: Path) -> object:
    return GitHubForge(
        "acme/support",
        forge_name="github",
        url=url,
        auth=GitHubToken(TOKEN),
        authorities=authorities,
        timeout=TIMEOUT,
    ).find_default_branch()


def ask_gitlab(url: str, authorities: str, folder: Path) -> object:
    return GitLabForge(
        "acme/support",
        forge_name="gitlab",
        url=url,
        token=TOKEN,
        authorities=authorities,
        timeout=TIMEOUT,
    ).find_default_branch()


def ask_git(url: str, authorities: str, folder: Path) -> object:
    remote = GitRemote(f"{url}/acme/support.git", "bridge", TOKEN, authorities)
    return RepositoryMirror(folder / "mirror.git", timeout=TIMEOUT).fetch(
        remote, "main", "promptlayer/"
    )


CLIENTS: dict[str, Ask] = {
    "promptlayer": ask_promptlayer,
    "github": ask_github,
    "gitlab": ask_gitlab,
    "git": ask_git,
}
