"""GitHub for the contract suite: the adapter in front of the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.forge import github_webhooks
from bridge.forge.forge import Forge, GitRemote
from bridge.forge.forge_webhooks import ForgeWebhooks
from bridge.forge.github import GitHubForge, GitHubToken
from tests.contract.forge_case import Failure, MergeMethod, Said
from tests.standins.fault_injection import Fault, cut, nth, slow, status, time_out
from tests.standins.github import GitHubStandIn

REPOSITORY = "acme/support-bot"
SECONDARY_LIMIT = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)

FAILURES: dict[Failure, Callable[[], Fault]] = {
    "401": lambda: status(401, {"message": "Bad credentials"}),
    "403": lambda: status(403, {"message": "Resource not accessible by integration"}),
    "secondary": lambda: status(403, {"message": SECONDARY_LIMIT}),
    "404": lambda: status(404, {"message": "Not Found"}),
    "409": lambda: status(409, {"message": "Conflict"}),
    "422": lambda: status(422, {"message": "Validation Failed", "errors": []}),
    "429": lambda: status(429, {"message": "Too many requests"}),
    "429-retry-after": lambda: status(429, {"message": "Slow down"}, {"Retry-After": "7"}),
    "500": lambda: status(500, "<html><body>Oh no</body></html>"),
    "502": lambda: status(502, "<html><body>Bad gateway</body></html>"),
    "timeout": time_out,
    "cut": cut,
    "slow": slow,
}


class GitHubCase:
    name = "github"
    webhooks: ForgeWebhooks = github_webhooks

    def __init__(self, standin: GitHubStandIn) -> None:
        self.standin = standin
        self._site = standin.repository(REPOSITORY, {"README.md": b"Hello\n"})
        self._token = standin.token("bot")
        self.forge: Forge = self._connected(self._token)

    @property
    def base_url(self) -> str:
        return self.standin.url

    @property
    def remote(self) -> GitRemote:
        return self.forge.create_git_remote()

    @property
    def calls(self) -> int:
        return self.standin.calls

    @property
    def short_timeout_forge(self) -> Forge:
        return self._connected(self._token, timeout=1.0)

    @property
    def read_only_forge(self) -> Forge:
        reading = {"contents": "read", "pull_requests": "read", "metadata": "read"}
        return self._connected(self.standin.token("guest", permissions=reading))

    def seed_branch(self, branch: str, files: dict[str, bytes]) -> str:
        return self._site.push(branch, files)

    def merge(self, number: int, how: MergeMethod) -> None:
        self._site.merge(number, how)

    def close(self, number: int) -> None:
        self._site.close(number)

    def reopen(self, number: int) -> None:
        self._site.reopen(number)

    def edit_body(self, number: int, body: str, by: str) -> None:
        self._site.edit_body(number, body, by)

    def delete_branch(self, branch: str) -> None:
        self._site.delete_branch(branch)

    def set_default_branch(self, branch: str) -> None:
        self._site.set_default_branch(branch)

    def rename_branch(self, old: str, new: str) -> None:
        self._site.rename_branch(old, new)

    def many(self, n: int) -> None:
        self._site.open_many(n)

    def open_from_fork(self, head: str) -> int:
        self._site.push(head, {"prompts/reply.yaml": b"text of a fork"})
        return self._site.open_pull(
            head, "main", title="From a fork", author="mallory", head_owner="mallory"
        ).number

    def protect(self, branch: str) -> None:
        self._site.protect(branch)

    def statuses(self, commit: str) -> dict[str, Said]:
        return {
            each.context: (each.state, each.description, each.target_url)
            for each in self._site.statuses
            if each.commit == commit
        }

    def hook(self, url: str, secret: str) -> None:
        self.standin.hooks.register(url, secret)

    def tell(self) -> None:
        self.standin.hooks.tell()

    def fail_next(self, kind: Failure) -> None:
        self.standin.faults.add("/api/v3/", FAILURES[kind]())

    def stop_failing(self) -> None:
        self.standin.faults.clear()

    def fail_nth(self, number: int, kind: Failure) -> None:
        self.standin.faults.add(nth(number, "/api/"), FAILURES[kind]())

    def _connected(self, token: str, timeout: float = 30.0) -> GitHubForge:
        return GitHubForge(
            REPOSITORY,
            forge_name="github",
            url=self.standin.url,
            auth=GitHubToken(token),
            timeout=timeout,
        )


@contextmanager
def github_case(root: Path) -> Iterator[GitHubCase]:
    """A repository on a GitHub of its own below ``root``, pages of at most 20."""
    with GitHubStandIn(root, page_cap=20).serving() as standin:
        yield GitHubCase(standin)
