"""GitLab, for the contract that every forge keeps: the adapter against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.forge import gitlab_webhooks
from bridge.forge.forge import GitRemote
from bridge.forge.forge_webhooks import ForgeWebhooks
from bridge.forge.gitlab import GitLabForge
from tests.contract.forge_case import Said
from tests.standins.fault_injection import Fault, cut, nth, slow, status, time_out
from tests.standins.git_http import MAIN, Files, git
from tests.standins.gitlab import READ_ONLY_TOKEN, TOKEN, GitLabStandIn
from tests.standins.gitlab_project import Project
from tests.standins.serve_app import serve

REPOSITORY = "acme/bots/support"
SHORT_TIMEOUT = 0.75  # seconds

FAULTS: dict[str, Fault] = {
    "401": status(401, {"message": "401 Unauthorized"}),
    "403": status(403, {"message": "403 Forbidden"}),
    "secondary": status(429, "Retry later\n", {"Content-Type": "text/plain"}),
    "404": status(404, {"message": "404 Project Not Found"}),
    "409": status(
        409,
        {"message": ["Another open merge request already exists for this source branch: !1"]},
    ),
    "422": status(422, {"message": {"title": ["is too long (maximum is 255 characters)"]}}),
    "429": status(429, {"message": {"error": "This endpoint has been requested too many times."}}),
    "429-retry-after": status(429, "Retry later\n", {"Retry-After": "7"}),
    "500": status(500, {"message": "500 Internal Server Error"}),
    "502": status(502, "<html><body>GitLab is not responding</body></html>"),
    "timeout": time_out(),
    "cut": cut(),
    "slow": slow(),
}


@dataclass
class GitLabCase:
    """What the contract suite does to a forge behind the adapter's back."""

    forge: GitLabForge
    short_timeout_forge: GitLabForge
    read_only_forge: GitLabForge
    project: Project
    standin: GitLabStandIn
    url: str
    name: str = "gitlab"
    webhooks: ForgeWebhooks = field(default_factory=lambda: gitlab_webhooks)

    @classmethod
    def over(cls, standin: GitLabStandIn, project: Project, url: str) -> GitLabCase:
        def forge(token: str = TOKEN, timeout: float = 30.0) -> GitLabForge:
            path = project.path
            return GitLabForge(path, forge_name="gitlab", url=url, token=token, timeout=timeout)

        return cls(
            forge=forge(),
            short_timeout_forge=forge(timeout=SHORT_TIMEOUT),
            read_only_forge=forge(token=READ_ONLY_TOKEN),
            project=project,
            standin=standin,
            url=url,
        )

    @property
    def remote(self) -> GitRemote:
        return self.forge.create_git_remote()

    @property
    def calls(self) -> int:
        return self.standin.calls

    def seed_branch(self, branch: str, files: Files) -> str:
        return self.project.push(branch, files)

    def merge(self, number: int, how: str) -> None:
        self.project.merge(number, how)

    def close(self, number: int) -> None:
        self.project.close(number)

    def reopen(self, number: int) -> None:
        self.project.reopen(number)

    def edit_body(self, number: int, body: str, by: str) -> None:
        who = next((one for one in self.project.users.values() if one.username == by), None)
        self.project.edit_body(number, body, who or self.standin.user(by))

    def delete_branch(self, branch: str) -> None:
        self.project.delete_branch(branch)

    def open_from_fork(self, head: str) -> int:
        mallory = self.standin.user("mallory")
        opened = self.project.open(
            head, MAIN, "From a fork", author=mallory, source_project_id=4711
        )
        return opened.iid

    def protect(self, branch: str) -> None:
        self.project.protect(branch)

    def statuses(self, commit: str) -> dict[str, Said]:
        return {
            each.name: (each.status, each.description, each.target_url)
            for each in self.project.statuses
            if each.sha == commit
        }

    def hook(self, url: str, secret: str) -> None:
        self.standin.hooks.register(url, secret)

    def tell(self) -> None:
        self.project.changed()

    def fail_next(self, kind: str) -> None:
        self.standin.faults.add("/api/v4/", FAULTS[kind])

    def stop_failing(self) -> None:
        self.standin.faults.clear()

    def fail_nth(self, number: int, kind: str) -> None:
        self.standin.faults.add(nth(number, "/api/v4/"), FAULTS[kind])

    def set_default_branch(self, branch: str) -> None:
        self.project.set_default_branch(branch)

    def rename_branch(self, old: str, new: str) -> None:
        self.project.rename_branch(old, new)

    def many(self, count: int) -> None:
        branches = [f"many/{number}" for number in range(1, count + 1)]
        commit = self.seed_branch("many/0", {"many.txt": b"many\n"})
        created = "".join(f"create refs/heads/{branch} {commit}\n" for branch in branches)
        git(self.project.directory, "update-ref", "--stdin", stdin=created.encode())
        for branch in branches:
            self.project.open(branch, MAIN, f"Change {branch}")


@contextmanager
def gitlab_case(tmp_path: Path) -> Iterator[GitLabCase]:
    standin = GitLabStandIn(tmp_path / "gitlab", page_limit=20)
    project = standin.repository(REPOSITORY, {"README.md": b"Prompts live here.\n"})
    for name in ("alice", "bob", "carol"):
        standin.user(name)
    with serve(standin.app) as url:
        yield GitLabCase.over(standin, project, url)
