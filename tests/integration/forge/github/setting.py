"""What the tests of the GitHub adapter stand on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.forge.github import GitHubApp, GitHubForge, GitHubToken
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository

APP = 7
CONTENT = PullRequestContent("Title", "Body")


class Clock:
    """Seconds since the epoch, turned by hand; the stand-in and the adapter read the same."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def as_datetime(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@cache
def private_key() -> tuple[str, str]:
    """A private key and its public half, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def connected(standin: GitHubStandIn, auth: GitHubToken | GitHubApp, clock: Clock) -> GitHubForge:
    return GitHubForge(
        "acme/support-bot", forge_name="github", url=standin.url, auth=auth, clock=clock
    )


def proposed(
    forge: GitHubForge,
    site: Repository,
    content: PullRequestContent = CONTENT,
    branch: str = "b/one",
) -> PullRequest:
    site.push(branch, {"a.txt": branch.encode()})
    return forge.create_pull_request(branch, "main", content)


def posted(standin: GitHubStandIn, ending: str) -> int:
    return sum(
        request.method == "POST" and request.path.endswith(ending)
        for request in standin.faults.requests
    )
