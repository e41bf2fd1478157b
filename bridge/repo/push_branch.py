"""Moving a branch of the remote, only if it still is where we saw it."""

from __future__ import annotations

from bridge.errors import StaleStateError
from bridge.forge.forge import GitRemote
from bridge.repo.git_environment import REMOTE_NAME
from bridge.repo.git_errors import (
    is_parent_missing_on_remote,
    translate_git_error,
    translate_push_error,
)
from bridge.repo.git_process import GitResult
from bridge.repo.mirror_store import IGNORE_SHALLOW_ENVIRONMENT, MirrorStore

_HEADS = "refs/heads/"


def push_branch(
    store: MirrorStore, remote: GitRemote, branch: str, commit: str, expected: str | None
) -> None:
    """Move ``branch`` to ``commit`` if it points to ``expected`` (None: if it does not exist).
    Raises StaleStateError when the branch is elsewhere, RequestRefusedError with the server's
    text when it refused.
    https://git-scm.com/docs/git-push#Documentation/git-push.txt---force-with-lease"""
    push_ref(store, remote, f"{_HEADS}{branch}", commit, expected)


def push_ref(
    store: MirrorStore, remote: GitRemote, ref: str, commit: str, expected: str | None
) -> None:
    """``push`` for a ref of any namespace, by its full name."""
    if commit != expected:
        _carry_out(store, remote, ref, commit, expected)


def delete_remote_branch(store: MirrorStore, remote: GitRemote, branch: str, expected: str) -> None:
    """Delete ``branch`` if it points to ``expected``; one that is gone already is fine."""
    try:
        _carry_out(store, remote, f"{_HEADS}{branch}", "", expected)
    except StaleStateError:
        if is_branch_on_remote(store, remote, branch):
            raise


def is_branch_on_remote(store: MirrorStore, remote: GitRemote, branch: str) -> bool:
    """Whether the remote has this branch now."""
    answer = store.run_remote(
        remote, "ls-remote", "--quiet", "--heads", REMOTE_NAME, f"refs/heads/{branch}"
    )
    if not answer.is_success:
        raise translate_git_error(answer.error_output, remote) or store.mark_damaged(answer)
    return bool(answer.output.strip())


def check(store: MirrorStore, remote: GitRemote, branch: str, commit: str) -> None:
    """Ask the server whether it would let us push, without sending anything. Raises what a push
    would raise for a credential that may only read; rules about the commit itself do not show."""
    ref = f"{_HEADS}{branch}"
    answer = _attempt(store, remote, ref, commit, None, negotiate=False, dry_run=True)
    if not answer.is_success:
        output = answer.output.decode("utf-8", "replace")
        raise translate_push_error(output, answer.error_output, branch, remote)


def _carry_out(
    store: MirrorStore, remote: GitRemote, ref: str, commit: str, expected: str | None
) -> None:
    answer = _attempt(store, remote, ref, commit, expected, negotiate=False)
    if not answer.is_success and is_parent_missing_on_remote(answer.error_output):
        # The base moved, so the other side no longer names our parent commit: ask whether it
        # has it. That is two requests more, hence not the first thing to do.
        answer = _attempt(store, remote, ref, commit, expected, negotiate=True)
    if not answer.is_success:
        output = answer.output.decode("utf-8", "replace")
        raise translate_push_error(output, answer.error_output, ref.removeprefix(_HEADS), remote)


def _attempt(
    store: MirrorStore,
    remote: GitRemote,
    ref: str,
    commit: str,
    expected: str | None,
    *,
    negotiate: bool,
    dry_run: bool = False,
) -> GitResult:
    return store.run_remote(
        remote,
        "push",
        "--porcelain",
        "--no-verify",
        *(("--dry-run",) if dry_run else ()),
        f"--force-with-lease={ref}:{expected or ''}",
        REMOTE_NAME,
        f"{commit}:{ref}",
        settings=(("push.negotiate", str(negotiate).lower()),),
        # In a shallow repository git walks the whole tree of every branch it knows before it sends
        # anything. What we send ends at a commit that the other side has.
        variables=IGNORE_SHALLOW_ENVIRONMENT,
    )
