"""What every forge tells by itself, as the bridge reads it: sent by the forge over real HTTP."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.errors import SignatureMismatchError
from bridge.forge.forge import PullRequestContent
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from tests.contract.forge_case import ForgeCase, MergeMethod
from tests.contract.test_forge_contract import HEAD, MERGES, git, opened
from tests.standins.serve_app import serve

SECRET, OTHER = "It is a secret 7", "another one"
DEADLINE = 20.0  # seconds


@dataclass(frozen=True)
class Arrived:
    headers: dict[str, str]
    body: bytes


class Listener:
    """Somebody whom a forge tells."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[Arrived] = queue.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.arrived.put(Arrived(dict(request.headers), await request.body()))
        await Response(status_code=202)(scope, receive, send)

    def next(self) -> Arrived:
        return self.arrived.get(timeout=DEADLINE)

    def events(self, case: ForgeCase, count: int) -> list[ForgeEvent]:
        """The next events of interest, every one of them signed."""
        found: list[ForgeEvent] = []
        while len(found) < count:
            each = self.next()
            case.webhooks.verify_webhook(each.headers, each.body, [SECRET])
            event = case.webhooks.parse_webhook(each.headers, each.body)
            assert event is not None
            found.append(event)
        return found


@contextmanager
def listening(case: ForgeCase) -> Iterator[Listener]:
    listener = Listener()
    with serve(listener) as url:
        case.hook(url, SECRET)
        yield listener


def tip(case: ForgeCase, branch: str = "main") -> str:
    listing = git(case.remote, "ls-remote", case.remote.url, f"refs/heads/{branch}")
    return listing.decode().split()[0]


def name_of(case: ForgeCase) -> str:
    return case.forge.repository.partition(":")[2]


def test_a_new_branch_and_a_push_to_it_are_told(case: ForgeCase) -> None:
    with listening(case) as listener:
        first = case.seed_branch(HEAD, {"a.txt": b"one"})
        case.tell()
        second = case.seed_branch(HEAD, {"a.txt": b"two"})
        case.tell()

        assert listener.events(case, 2) == [
            PushEvent(name_of(case), HEAD, None, first),
            PushEvent(name_of(case), HEAD, first, second),
        ]


def test_a_push_by_git_is_told(case: ForgeCase, tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = str(tmp_path_factory.mktemp("clone") / "clone")
    git(case.remote, "clone", "--quiet", case.remote.url, clone)
    git(case.remote, "-C", clone, "commit", "--quiet", "--allow-empty", "--message=Change")
    before = tip(case)
    with listening(case) as listener:
        git(case.remote, "-C", clone, "push", "--quiet", "origin", "HEAD:main")
        case.tell()

        assert listener.events(case, 1) == [PushEvent(name_of(case), "main", before, tip(case))]


def test_a_deleted_branch_is_told(case: ForgeCase) -> None:
    commit = case.seed_branch(HEAD, {"a.txt": b"one"})
    with listening(case) as listener:
        case.delete_branch(HEAD)
        case.tell()

        assert listener.events(case, 1) == [PushEvent(name_of(case), HEAD, commit, None)]


def test_the_life_of_a_pull_request_is_told(case: ForgeCase) -> None:
    case.seed_branch(HEAD, {"a.txt": b"one"})
    with listening(case) as listener:
        created = case.forge.create_pull_request(HEAD, "main", PullRequestContent("Title", ""))
        case.tell()
        newer = case.seed_branch(HEAD, {"a.txt": b"two"})
        case.tell()
        case.close(created.number)
        case.tell()
        case.reopen(created.number)
        case.tell()

        told = listener.events(case, 5)

    expected = PullRequestEvent(
        repository=name_of(case),
        number=created.number,
        action=PullRequestAction.OPENED,
        head=HEAD,
        base="main",
        head_commit=created.head_commit,
        from_fork=False,
        author=created.author,
    )
    moved = replace(expected, head_commit=newer)
    assert [_without_author(each) for each in told] == [
        _without_author(each)
        for each in (
            expected,
            PushEvent(name_of(case), HEAD, created.head_commit, newer),
            replace(moved, action=PullRequestAction.SYNCHRONIZED),
            replace(moved, action=PullRequestAction.CLOSED),
            replace(moved, action=PullRequestAction.REOPENED),
        )
    ]
    assert told[0] == expected  # who opened it is known at least then


def test_a_checked_box_is_announced(case: ForgeCase) -> None:
    created = opened(case)
    with listening(case) as listener:
        body = "- [x] <!-- promptlayer-bridge-box:rebase -->Rebase now"
        case.edit_body(created.number, body, "sam")
        case.tell()

        (event,) = listener.events(case, 1)

    assert isinstance(event, PullRequestEvent)
    assert (event.action, event.number) == (PullRequestAction.EDITED, created.number)


@pytest.mark.parametrize("how", MERGES)
def test_a_merge_is_told_as_a_push_and_as_the_end_of_the_pull_request(
    case: ForgeCase, how: MergeMethod
) -> None:
    number = opened(case).number
    before = tip(case)
    with listening(case) as listener:
        case.merge(number, how)
        case.tell()

        told = listener.events(case, 2)

    assert PushEvent(name_of(case), "main", before, tip(case)) in told
    (ended,) = (
        each for each in (*told, *_rest(case, listener)) if isinstance(each, PullRequestEvent)
    )
    assert (ended.number, ended.action) == (number, PullRequestAction.MERGED)


def test_a_pull_request_from_a_fork_is_told_as_one(case: ForgeCase) -> None:
    with listening(case) as listener:
        number = case.open_from_fork(HEAD)
        case.tell()

        told = [*listener.events(case, 1), *_rest(case, listener)]

    (changed,) = (each for each in told if isinstance(each, PullRequestEvent))
    assert (changed.number, changed.from_fork, changed.author) == (number, True, "mallory")


def test_what_is_told_is_signed_and_nobody_else_can_sign_it(case: ForgeCase) -> None:
    with listening(case) as listener:
        case.seed_branch(HEAD, {"a.txt": b"one"})
        case.tell()
        told = listener.next()
    verify = case.webhooks.verify_webhook

    verify(told.headers, told.body, [OTHER, SECRET])

    for headers, secrets in [
        (told.headers, [OTHER]),
        (told.headers, [""]),
        (told.headers, []),
        ({}, [SECRET]),
        ({}, [""]),
        ({name: f"{value}é" for name, value in told.headers.items()}, [SECRET]),
    ]:
        with pytest.raises(SignatureMismatchError) as refusal:
            verify(headers, told.body, secrets)
        assert SECRET not in str(refusal.value)


def test_every_delivery_has_a_name_of_its_own(case: ForgeCase) -> None:
    with listening(case) as listener:
        for branch in ("a/one", "a/two"):
            case.seed_branch(branch, {"a.txt": b"one"})
            case.tell()
        names = {case.webhooks.find_delivery_name(listener.next().headers) for _ in range(2)}

    assert len(names - {""}) == 2


def _rest(case: ForgeCase, listener: Listener) -> list[ForgeEvent]:
    """What else has arrived; a forge that was asked to tell has told."""
    return listener.events(case, listener.arrived.qsize())


def _without_author(event: ForgeEvent) -> ForgeEvent:
    return replace(event, author="") if isinstance(event, PullRequestEvent) else event
