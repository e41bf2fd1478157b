"""Read commits, changes and merges of the local forge's pull requests from git."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from bridge.errors import RequestRefusedError
from bridge.forge.forge import PullRequestState
from bridge.forge.local_pull_request_files import PullRequestRecord
from bridge.forge.local_repository import BareRepository, CommitPerson, LocalCommit

MergeMethod = Literal["merge", "squash", "rebase"]


class LocalPullRequestCommits:
    """Reads the pull requests of one git repository. ``repository`` is its name in messages."""

    def __init__(self, git: BareRepository, repository: str) -> None:
        self._git = git
        self._repository = repository

    def find_head_commit(
        self, pull: PullRequestRecord, refs: Mapping[str, str] | None = None
    ) -> str:
        """Find the newest commit of a pull request: an open one follows its branch. A ref of its
        own stores the last commit, for a branch that is deleted, a pull request that is
        closed, and a fork's branch, which is not in this repository."""
        refs = self._git.list_refs() if refs is None else refs
        own = f"refs/pull/{pull.number}/head"
        branch = None if pull.fork else refs.get(f"refs/heads/{pull.head}")
        known = refs.get(own)
        if known is not None and (branch is None or branch == known or not pull.is_open):
            return known
        if branch is None:
            raise RequestRefusedError(
                f"Neither {own} nor the branch {pull.head!r} is in {self._repository}."
            )
        self.store_head_ref(pull.number, branch)
        return branch

    def store_head_ref(self, number: int, commit: str) -> None:
        """Point the pull request's own ref at ``commit``."""
        self._git.set_ref(f"refs/pull/{number}/head", commit)

    def list_commits(self, pull: PullRequestRecord) -> Sequence[LocalCommit]:
        """Oldest first, without merges."""
        return self._git.list_commits(*self._range(pull))

    def diff(self, pull: PullRequestRecord) -> str:
        """Show the changes that merging would make, as ``git diff`` prints them."""
        return self._git.diff(*self._range(pull))

    def find_pull_requests_with(
        self, pulls: Iterable[PullRequestRecord], commit: str
    ) -> list[PullRequestRecord]:
        """Find the pull requests whose branch has the commit, or whose merge made it."""
        refs, holding = self._git.list_refs(), self._git.find_refs_containing(commit)
        return [pull for pull in pulls if self._brings(pull, commit, refs, holding)]

    def _brings(
        self,
        pull: PullRequestRecord,
        commit: str,
        refs: Mapping[str, str],
        holding: Collection[str],
    ) -> bool:
        head, base = self.find_head_commit(pull, refs), refs.get(f"refs/heads/{pull.base}")
        if pull.merge_commit is None or pull.merged_onto is None or pull.merged_from is None:
            return base is not None and head in holding and base not in holding
        ranges = ((pull.merged_from, head), (pull.merged_onto, pull.merge_commit))
        return any(commit in self._git.find_commits_between(*each) for each in ranges)

    def merge(
        self, pull: PullRequestRecord, how: MergeMethod, by: CommitPerson
    ) -> PullRequestRecord:
        """Merge into the base branch; the pull request as it is then. Raises
        RequestRefusedError."""
        base, head = self._base_commit(pull.base), self.find_head_commit(pull)
        merged_from = self._git.find_fork_point(base, head)
        match how:
            case "merge":
                message = f"Merge pull request #{pull.number} from {pull.head}\n\n{pull.title}\n"
                tip = self._git.create_merge_commit(base, head, message, by)
            case "squash":
                messages = [commit.message for commit in self.list_commits(pull)]
                message = "\n".join([f"{pull.title} (#{pull.number})", "", *messages])
                tip = self._git.create_squash_commit(base, head, message, by)
            case "rebase":
                tip = self._git.rebase_commits(base, head, by)
        self._git.set_ref(f"refs/heads/{pull.base}", tip, base)
        return replace(
            pull,
            state=PullRequestState.MERGED,
            merged_from=merged_from,
            merged_onto=base,
            merge_commit=tip,
        )

    def _range(self, pull: PullRequestRecord) -> tuple[str, str]:
        head = self.find_head_commit(pull)
        return pull.merged_from or self._git.find_fork_point(
            self._base_commit(pull.base), head
        ), head

    def _base_commit(self, base: str) -> str:
        commit = self._git.list_branches().get(base)
        if commit is None:
            raise RequestRefusedError(f"The base branch {base!r} of {self._repository} is gone.")
        return commit
