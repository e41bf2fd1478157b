"""Moving a branch of the remote, only if it still is where we saw it."""

from __future__ import annotations

from bridge.errors import Stale
from bridge.forge.base import GitRemote
from bridge.repo.complaint import parent_unknown_there, push_refused, understood
from bridge.repo.credentials import REMOTE
from bridge.repo.process import Answer
from bridge.repo.store import NOT_SHALLOW, Store

_HEADS = "refs/heads/"


def push(store: Store, remote: GitRemote, branch: str, commit: str, expected: str | None) -> None:
    """Make ``branch`` point to ``commit`` if it points to ``expected`` (None: if it is not there).
    Raises Stale when the branch is elsewhere, Refused with the server's words when it said no."""
    push_ref(store, remote, f"{_HEADS}{branch}", commit, expected)


def push_ref(store: Store, remote: GitRemote, ref: str, commit: str, expected: str | None) -> None:
    """``push`` for a ref of any namespace, by its full name."""
    if commit != expected:
        _carry_out(store, remote, ref, commit, expected)


def delete(store: Store, remote: GitRemote, branch: str, expected: str) -> None:
    """Delete ``branch`` if it points to ``expected``; one that is gone already is fine."""
    try:
        _carry_out(store, remote, f"{_HEADS}{branch}", "", expected)
    except Stale:
        if exists(store, remote, branch):
            raise


def exists(store: Store, remote: GitRemote, branch: str) -> bool:
    """Whether the remote has this branch now."""
    answer = store.ask(remote, "ls-remote", "--quiet", "--heads", REMOTE, f"refs/heads/{branch}")
    if not answer.ok:
        raise understood(answer.complaint, remote) or store.broken(answer)
    return bool(answer.output.strip())


def check(store: Store, remote: GitRemote, branch: str, commit: str) -> None:
    """Ask the server whether it would let us push, without sending anything. Raises what a push
    would raise for a credential that may only read; rules about the commit itself do not show."""
    ref = f"{_HEADS}{branch}"
    answer = _attempt(store, remote, ref, commit, None, negotiate=False, dry_run=True)
    if not answer.ok:
        output = answer.output.decode("utf-8", "replace")
        raise push_refused(output, answer.complaint, branch, remote)


def _carry_out(
    store: Store, remote: GitRemote, ref: str, commit: str, expected: str | None
) -> None:
    answer = _attempt(store, remote, ref, commit, expected, negotiate=False)
    if not answer.ok and parent_unknown_there(answer.complaint):
        # The base moved, so the other side no longer names our parent commit: ask whether it
        # has it. That is two requests more, hence not the first thing to do.
        answer = _attempt(store, remote, ref, commit, expected, negotiate=True)
    if not answer.ok:
        output = answer.output.decode("utf-8", "replace")
        raise push_refused(output, answer.complaint, ref.removeprefix(_HEADS), remote)


def _attempt(
    store: Store,
    remote: GitRemote,
    ref: str,
    commit: str,
    expected: str | None,
    *,
    negotiate: bool,
    dry_run: bool = False,
) -> Answer:
    return store.ask(
        remote,
        "push",
        "--porcelain",
        "--no-verify",
        *(("--dry-run",) if dry_run else ()),
        f"--force-with-lease={ref}:{expected or ''}",
        REMOTE,
        f"{commit}:{ref}",
        settings=(("push.negotiate", str(negotiate).lower()),),
        # In a shallow repository git walks the whole tree of every branch it knows before it sends
        # anything. What we send ends at a commit that the other side has.
        variables=NOT_SHALLOW,
    )
