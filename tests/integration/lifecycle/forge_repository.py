"""One repository on one forge, and what people do there behind the bridge's back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from bridge.forge.forge import Forge, PullRequest, PullRequestContent, PullRequestState
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_pull_request_files import PullRequestRecords
from bridge.prompts.pull_request.metadata import parse_metadata
from tests.contract.forge_case import MergeMethod, Said
from tests.contract.github_case import REPOSITORY, github_case
from tests.contract.gitlab_case import gitlab_case
from tests.contract.local_case import local_case
from tests.standins.fault_injection import Faults
from tests.standins.foreign_work import find_foreign_work
from tests.standins.git_http import (
    SOMEBODY,
    Files,
    commit_files,
    delete_branch,
    git,
    git_says,
    read_file,
)
from tests.standins.github_state import Pull
from tests.standins.gitlab_project import MergeRequest, User

FORGES = ("local", "github", "gitlab")
ODD_FORGES = ("odd github", "odd gitlab")  # slow to notice a branch, full of nulls, without drafts
EVERY_FORGE = (*FORGES, *ODD_FORGES)


@dataclass(frozen=True)
class ForgeRepository:
    forge: Forge
    repository: Path  # bare
    press_merge: Callable[[int, MergeMethod], None]
    close: Callable[[int], None]
    reopen: Callable[[int], None]
    comments: Callable[[int], Sequence[str]]
    set_default_branch: Callable[[str], None]
    rename_branch: Callable[[str, str], None]
    strip: Callable[[int], None]
    """A person takes every label, reviewer and assignee from a pull request."""
    said_on: Callable[[str], dict[str, Said]]  # commit → check → what was said last
    close_as: Callable[[int, str], object]  # somebody else closes: number, login
    edit_as: Callable[[int, str, str], None]  # a person writes a body: number, body, login
    faults: Faults | None = None  # of the server; None where there is none
    pass_time: Callable[[float], None] = lambda _: None  # seconds on the forge's clock
    set_commit_rule: Callable[[str], None] = lambda _: None  # that the forge's API tells

    def merge(self, pull_request: PullRequest, how: MergeMethod = "merge") -> None:
        self.press_merge(pull_request.number, how)

    def commit(self, files: Files, branch: str = "main", *, author: str = SOMEBODY) -> str:
        """Somebody's commit on top of a branch."""
        return commit_files(self.repository, branch, files, author=author)

    def commit_often(self, path: str, count: int) -> None:
        """So many commits on main, each of which changes one file."""
        start = self.head("main")
        stream = "".join(
            "commit refs/heads/main\ncommitter Sam Person <sam@example.com> now\ndata 4\nWork\n"
            + (f"from {start}\n" if number == 0 else "")
            + f"M 100644 inline {path}\ndata 48\n{start[:40]}{number:07d}\n\n"
            for number in range(count)
        )
        command = ("fast-import", "--quiet", "--done", "--date-format=now")
        git(self.repository, *command, stdin=f"{stream}done\n".encode())

    def revert(self, branch: str = "main") -> None:
        """Take the newest commit of a branch back, as ``git revert`` does."""
        parent = git(self.repository, "rev-parse", f"{branch}^1")
        tree = git(self.repository, "rev-parse", f"{parent}^{{tree}}")
        new = git(self.repository, "commit-tree", tree, "-p", branch, "-m", "Revert")
        git(self.repository, "update-ref", f"refs/heads/{branch}", new)

    def symlink(self, path: str, to: str) -> None:
        """Put a symbolic link on main."""
        blob = git(self.repository, "hash-object", "-w", "--stdin", stdin=to.encode())
        stream = (
            "commit refs/heads/main\ncommitter Sam Person <sam@example.com> now\n"
            f"data 4\nLink\nfrom refs/heads/main^0\nM 120000 {blob} {path}\n\ndone\n"
        )
        git(
            self.repository,
            *("fast-import", "--quiet", "--done", "--date-format=now"),
            stdin=stream.encode(),
        )

    def point(self, branch: str, commit: str) -> None:
        """Force a branch to another commit."""
        git(self.repository, "update-ref", f"refs/heads/{branch}", commit)

    def squash_branch(self, branch: str) -> None:
        """Make one commit of Sam's of everything a branch adds."""
        tree = git(self.repository, "rev-parse", f"{branch}^{{tree}}")
        self.point(branch, git(self.repository, "commit-tree", tree, "-p", "main", "-m", "All"))

    def forget_pull_requests(self) -> None:
        """As if none had ever been opened; the local forge's alone."""
        shutil.rmtree(self.repository.with_suffix(".pulls"))

    def delete_branch(self, branch: str) -> None:
        delete_branch(self.repository, branch)

    def text(self, path: str, revision: str = "main") -> str | None:
        """A file as a branch holds it; None where there is none."""
        try:
            return read_file(self.repository, revision, path).decode()
        except subprocess.CalledProcessError:
            return None

    def head(self, branch: str) -> str:
        """A branch's newest commit."""
        return git(self.repository, "rev-parse", branch)

    def merge_base(self, branch: str, base: str = "main") -> str:
        """The commit at which a branch left the base branch."""
        return git(self.repository, "merge-base", base, branch).strip()

    def paths(self, revision: str = "main") -> set[str]:
        """Every file of a branch."""
        listed = git(self.repository, "ls-tree", "-r", "-z", "--name-only", revision)
        return set(filter(None, listed.split("\0")))

    def grep(self, folder: str, revision: str) -> str:
        """All lines of all files below a folder of a branch."""
        command = ("grep", "-h", "-e", "", revision, "--", folder)
        return git_says(self.repository, *command) or ""

    def history_text(self, branch: str) -> str:
        """Every line that ever was on a branch."""
        return git(self.repository, "log", "-m", "-p", "--first-parent", "--format=", branch)

    def changed(self, branch: str, since: str = "main") -> set[str]:
        """The files that a branch changes against where it left ``since``."""
        span = f"{since}...{branch}"
        listed = git(self.repository, "diff", "--no-renames", "--name-only", "-z", span)
        return set(filter(None, listed.split("\0")))

    def branches(self) -> set[str]:
        """Every branch but main."""
        listed = git(self.repository, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads")
        return set(listed.splitlines()) - {"main"}

    def log(self, branch: str, form: str, since: str = "main") -> list[str]:
        """The commits that a branch adds, newest first, each as ``git log --format`` says."""
        listed = git(self.repository, "log", "-z", f"--format={form}", f"{since}..{branch}")
        return [entry for entry in listed.split("\0") if entry]

    def open(self) -> list[PullRequest]:
        """The open pull requests of the bridge, oldest first."""
        found = self.forge.list_open_pull_requests("promptlayer/")
        return sorted(found, key=lambda one: one.number)

    def every(self, branch: str) -> Sequence[PullRequest]:
        """All pull requests of a branch, newest first."""
        return self.forge.list_pull_requests(branch)

    def newest(self, branch: str) -> PullRequest:
        return self.every(branch)[0]

    def retarget(self, pull_request: PullRequest, base: str) -> None:
        """A person takes it to another base."""
        content = PullRequestContent(pull_request.title, pull_request.body, pull_request.is_draft)
        self.forge.update_pull_request(pull_request, content, base=base)

    def foreign_work(self) -> list[str]:
        """What the bridge's open pull requests would bring that is neither the bridge's nor of
        people on their own branches."""
        ours = (
            (pull.number, pull.head_branch, pull.base_branch)
            for pull in self.forge.list_open_pull_requests("promptlayer/")
            if parse_metadata(pull.body) is not None  # else a person opened it
        )
        return list(find_foreign_work(self.repository, ours))

    def edit(
        self, pull_request: PullRequest, *, title: str | None = None, body: str | None = None
    ) -> None:
        """A person writes another title or another body."""
        title = pull_request.title if title is None else title
        body = pull_request.body if body is None else body
        self._change(replace(pull_request, title=title, body=body))

    def label(self, pull_request: PullRequest, name: str) -> None:
        """A person adds a label."""
        content = PullRequestContent(
            pull_request.title, pull_request.body, pull_request.is_draft, labels=(name,)
        )
        self.forge.update_pull_request(pull_request, content)

    def turn(self, pull_request: PullRequest, *, draft: bool) -> None:
        """A person makes it a draft, or ready for review."""
        self._change(replace(pull_request, is_draft=draft))

    def _change(self, wanted: PullRequest) -> None:
        content = PullRequestContent(wanted.title, wanted.body, wanted.is_draft)
        known = {one.number: one for one in self.every(wanted.head_branch)}
        self.forge.update_pull_request(known[wanted.number], content)


def is_open(pull_request: PullRequest) -> bool:
    return pull_request.state is PullRequestState.OPEN


Windows = tuple[tuple[int, float], ...]
Opening = Callable[[Path], AbstractContextManager[ForgeRepository]]


@contextmanager
def create_forge_repository(
    forge: str, root: Path, creations: Windows = ()
) -> Iterator[ForgeRepository]:
    """A repository with a README on one of EVERY_FORGE; the local one allows so many ``creations``."""
    openings: dict[str, Opening] = {
        "local": partial(_local, creations),
        "github": _github,
        "gitlab": _gitlab,
        "odd github": partial(_github, odd=True),
        "odd gitlab": partial(_gitlab, odd=True),
    }
    with openings[forge](root) as repository:
        yield repository


class BudgetedForge(LocalForge):
    """A local forge that limits how many pull requests are made, as GitHub does."""

    def __init__(self, root: Path, repository: str, budget: Windows) -> None:
        super().__init__(root, repository, people={"alice", "bob", "sam"})
        self._budget = budget

    @property
    def creation_limits(self) -> Windows:
        return self._budget


@contextmanager
def _local(budget: Windows, root: Path) -> Iterator[ForgeRepository]:
    with local_case(root) as case:
        path = Path(case.forge.create_git_remote().url)
        yield ForgeRepository(
            BudgetedForge(root / "forge", REPOSITORY, budget),
            path,
            case.merge,
            case.close,
            case.reopen,
            lambda number: list(case.forge.read_comments(number).values()),
            case.set_default_branch,
            case.rename_branch,
            partial(_strip_file, PullRequestRecords(path.with_suffix(".pulls"))),
            case.statuses,
            case.forge.close,
            case.edit_body,
        )


def _strip_file(pulls: PullRequestRecords, number: int) -> None:
    with pulls.lock_for_writing():
        stripped = replace(pulls.read(number), labels=(), reviewers=(), assignees=())
        pulls.write(stripped)


@contextmanager
def _github(root: Path, *, odd: bool = False) -> Iterator[ForgeRepository]:
    with github_case(root) as case:
        behind = case.standin.repositories[REPOSITORY]
        if odd:
            behind.nulls, behind.notices_late, behind.drafts = True, 1, False
        yield ForgeRepository(
            case.forge,
            behind.path,
            case.merge,
            case.close,
            case.reopen,
            lambda number: [comment.body for comment in behind.pull(number).comments],
            case.set_default_branch,
            case.rename_branch,
            lambda number: _strip(behind.pull(number)),
            case.statuses,
            behind.close,
            case.edit_body,
            case.standin.faults,
            set_commit_rule=lambda pattern: behind.branch_rules.append(_commit_rule(pattern)),
        )


def _strip(pull: Pull | MergeRequest) -> None:
    pull.labels, pull.reviewers, pull.assignees = [], [], []


@contextmanager
def _gitlab(root: Path, *, odd: bool = False) -> Iterator[ForgeRepository]:
    with gitlab_case(root) as case:
        if odd:
            case.project.nulls, case.project.notices_late = True, 1
        yield ForgeRepository(
            case.forge,
            case.project.directory,
            case.merge,
            case.close,
            case.reopen,
            lambda number: [note.body for note in case.project.find(number).notes],
            case.set_default_branch,
            case.rename_branch,
            lambda number: _strip(case.project.find(number)),
            case.statuses,
            lambda number, login: case.project.close(number, User(99, login)),
            case.edit_body,
            case.standin.faults,
            lambda seconds: setattr(
                case.project, "ahead", case.project.ahead + timedelta(seconds=seconds)
            ),
            set_commit_rule=lambda pattern: setattr(
                case.project, "push_rule", {"commit_message_regex": pattern}
            ),
        )


def _commit_rule(pattern: str) -> dict[str, object]:
    """A rule of a branch, as GitHub's API shows it."""
    parameters = {"name": "", "negate": False, "operator": "regex", "pattern": pattern}
    return {"type": "commit_message_pattern", "parameters": parameters, "ruleset_id": 42}
