"""What is read from a forge's webhook, and what is of no interest or nonsense."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedPayloadError, SignatureMismatchError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge_webhooks import (
    ForgeEvent,
    ForgeWebhooks,
    PullRequestAction,
    PullRequestEvent,
    PushEvent,
)

A, B, NONE = "a" * 40, "b" * 40, "0" * 40
NAME = "acme/support-bot"
PUSHED = PushEvent(NAME, "feature/ü", A, B)
CHANGED = PullRequestEvent(
    NAME, 7, PullRequestAction.OPENED, "feature", "main", A, from_fork=False, author="sam"
)
MODULES: dict[str, ForgeWebhooks] = {
    "github": github_webhooks,
    "gitlab": gitlab_webhooks,
    "local": local_webhooks,
}


def push_of(forge: str) -> dict[str, Any]:
    ends = {"ref": "refs/heads/feature/ü", "before": A, "after": B}
    payloads: dict[str, dict[str, Any]] = {
        "github": {**ends, "repository": {"full_name": NAME}},
        "gitlab": {**ends, "object_kind": "push", "project": {"path_with_namespace": NAME}},
        "local": {**ends, "event": "pushed", "repository": NAME},
    }
    return payloads[forge]


def pull_request_of(forge: str) -> dict[str, Any]:
    if forge == "local":
        content: dict[str, Any] = json.loads(local_webhooks.render_webhook_body(CHANGED))
        return content
    if forge == "gitlab":
        return {
            "object_kind": "merge_request",
            "user": {"id": 5, "username": "sam"},
            "project": {"path_with_namespace": NAME},
            "object_attributes": {
                "iid": 7,
                "action": "open",
                "author_id": 5,
                "source_branch": "feature",
                "target_branch": "main",
                "source_project_id": 1,
                "target_project_id": 1,
                "last_commit": {"id": A},
            },
            "changes": {},
        }
    return {
        "action": "opened",
        "repository": {"full_name": NAME},
        "pull_request": {
            "number": 7,
            "merged": False,
            "user": {"login": "sam"},
            "head": {"ref": "feature", "sha": A, "repo": {"id": 1}},
            "base": {"ref": "main", "sha": B, "repo": {"id": 1}},
        },
    }


def headers_of(forge: str, kind: str = "push") -> dict[str, str]:
    return {"x-github-event": kind} if forge == "github" else {}


def read(forge: str, payload: Any, kind: str = "push") -> ForgeEvent | None:
    return MODULES[forge].parse_webhook(headers_of(forge, kind), json.dumps(payload).encode())


@pytest.mark.parametrize("forge", MODULES)
def test_a_push_is_read(forge: str) -> None:
    assert read(forge, push_of(forge)) == PUSHED


@pytest.mark.parametrize("forge", MODULES)
def test_zeros_mean_no_commit(forge: str) -> None:
    assert read(forge, push_of(forge) | {"before": NONE}) == PushEvent(NAME, "feature/ü", None, B)
    assert read(forge, push_of(forge) | {"after": NONE}) == PushEvent(NAME, "feature/ü", A, None)


@pytest.mark.parametrize("forge", MODULES)
def test_a_tag_is_of_no_interest(forge: str) -> None:
    assert read(forge, push_of(forge) | {"ref": "refs/tags/v1"}) is None


@pytest.mark.parametrize("forge", MODULES)
def test_a_pull_request_is_read(forge: str) -> None:
    assert read(forge, pull_request_of(forge), "pull_request") == CHANGED


GITHUB_ACTIONS = [
    ("opened", PullRequestAction.OPENED),
    ("reopened", PullRequestAction.REOPENED),
    ("synchronize", PullRequestAction.SYNCHRONIZED),
    ("ready_for_review", PullRequestAction.DRAFT_CHANGED),
    ("converted_to_draft", PullRequestAction.DRAFT_CHANGED),
    ("closed", PullRequestAction.CLOSED),
    ("edited", None),
    ("labeled", None),
    ("action_of_tomorrow", None),
]


@pytest.mark.parametrize(("word", "action"), GITHUB_ACTIONS)
def test_githubs_actions_are_read(word: str, action: PullRequestAction | None) -> None:
    event = read("github", pull_request_of("github") | {"action": word}, "pull_request")

    assert getattr(event, "action", None) == action


def test_on_github_a_closed_one_may_be_merged_and_an_edited_one_may_have_another_base() -> None:
    closed = pull_request_of("github") | {"action": "closed"}
    closed["pull_request"]["merged"] = True
    edited = pull_request_of("github") | {"action": "edited", "changes": {"base": {"ref": {}}}}

    actions = [
        getattr(read("github", one, "pull_request"), "action", 0) for one in (closed, edited)
    ]
    assert actions == [PullRequestAction.MERGED, PullRequestAction.RETARGETED]


GITLAB_ACTIONS: list[tuple[dict[str, Any], dict[str, Any], PullRequestAction | None]] = [
    ({"action": "reopen"}, {}, PullRequestAction.REOPENED),
    ({"action": "merge"}, {}, PullRequestAction.MERGED),
    ({"action": "close"}, {}, PullRequestAction.CLOSED),
    ({"action": "update", "oldrev": B}, {}, PullRequestAction.SYNCHRONIZED),
    ({"action": "update"}, {"target_branch": {"previous": "x"}}, PullRequestAction.RETARGETED),
    ({"action": "update"}, {"draft": {"previous": True}}, PullRequestAction.DRAFT_CHANGED),
    (
        {"action": "update", "oldrev": B},
        {"target_branch": {"previous": "x"}},
        PullRequestAction.RETARGETED,
    ),
    (
        {"action": "update", "oldrev": B},
        {"draft": {"previous": True}},
        PullRequestAction.DRAFT_CHANGED,
    ),
    ({"action": "update"}, {"description": {"previous": "x"}}, None),
    ({"action": "approved"}, {}, None),
    ({"action": None}, {}, None),
]


@pytest.mark.parametrize(("attributes", "changes", "action"), GITLAB_ACTIONS)
def test_gitlabs_actions_are_read(
    attributes: dict[str, Any], changes: dict[str, Any], action: PullRequestAction | None
) -> None:
    payload = pull_request_of("gitlab") | {"changes": changes}
    payload["object_attributes"] |= attributes

    assert getattr(read("gitlab", payload), "action", None) == action


def test_who_acts_on_gitlab_is_not_always_the_author() -> None:
    payload = pull_request_of("gitlab") | {"user": {"id": 6, "username": "eve"}}

    event = read("gitlab", payload)
    assert isinstance(event, PullRequestEvent)
    assert event.author == ""


CHECKED = "Text\n- [x] <!-- promptlayer-bridge-box:rebase -->Rebase now\n"
BODIES = [(CHECKED, PullRequestAction.EDITED), (CHECKED.replace("[x]", "[ ]"), None), (None, None)]


@pytest.mark.parametrize(("body", "action"), BODIES)
def test_an_edited_body_is_of_interest_where_a_box_of_the_bridge_is_checked(
    body: str | None, action: PullRequestAction | None
) -> None:
    github = pull_request_of("github") | {"action": "edited", "changes": {"body": {"from": ""}}}
    github["pull_request"]["body"] = body
    gitlab = pull_request_of("gitlab") | {"changes": {"description": {"previous": ""}}}
    gitlab["object_attributes"] |= {"action": "update", "description": body}

    read_github = getattr(read("github", github, "pull_request"), "action", None)
    read_gitlab = getattr(read("gitlab", gitlab), "action", None)

    assert (read_github, read_gitlab) == (action, action)


@pytest.mark.parametrize("home", [None, {"id": 2}])
def test_a_fork_on_github_is_another_repository_or_one_that_is_gone(home: Any) -> None:
    payload = pull_request_of("github")
    payload["pull_request"]["head"]["repo"] = home

    event = read("github", payload, "pull_request")
    assert isinstance(event, PullRequestEvent)
    assert event.from_fork


def test_a_fork_on_gitlab_is_another_project() -> None:
    payload = pull_request_of("gitlab")
    payload["object_attributes"]["source_project_id"] = 2

    event = read("gitlab", payload)
    assert isinstance(event, PullRequestEvent)
    assert event.from_fork


def test_a_ping_and_what_concerns_nobody_here_are_of_no_interest() -> None:
    assert read("github", {"zen": "Keep it logically awesome."}, "ping") is None
    assert read("github", {}, "issue_comment") is None
    assert read("gitlab", {"object_kind": "note"}) is None
    assert read("gitlab", {"event_name": "project_create"}) is None
    assert read("local", {"event": "ping"}) is None


def test_github_may_send_a_form() -> None:
    body = urlencode({"payload": json.dumps(push_of("github"))}).encode()
    headers = {"x-github-event": "push", "content-type": "application/x-www-form-urlencoded"}

    assert github_webhooks.parse_webhook(headers, body) == PUSHED


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b"[]", b"{", b"[" * 100_000, b"{}"])
@pytest.mark.parametrize("forge", MODULES)
def test_nonsense_is_told_to_be_nonsense(forge: str, body: bytes) -> None:
    with pytest.raises(MalformedPayloadError):
        MODULES[forge].parse_webhook(headers_of(forge), body)


def test_a_delivery_without_its_kind_is_nonsense() -> None:
    with pytest.raises(MalformedPayloadError):
        github_webhooks.parse_webhook({}, json.dumps(push_of("github")).encode())


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 2**70, 0.5, "", "\0", "\ud800", "x", [], {}, "refs/heads/"]
)


@given(st.sampled_from([*MODULES]), st.booleans(), st.randoms(use_true_random=False), ODD)
def test_a_payload_with_anything_in_any_place_is_read_or_refused(
    forge: str, pushing: bool, random: Any, odd: Any
) -> None:
    payload = copy.deepcopy(push_of(forge) if pushing else pull_request_of(forge))
    inner = payload
    while True:
        key = random.choice(sorted(inner))
        if not (isinstance(inner[key], dict) and inner[key]) or random.random() < 0.3:
            break
        inner = inner[key]
    inner[key] = odd

    try:
        event = read(forge, payload, "push" if pushing else "pull_request")
    except MalformedPayloadError:
        return
    texts = (
        [] if event is None else [each for each in vars(event).values() if isinstance(each, str)]
    )
    assert not any("\0" in text for text in texts)
    "".join(texts).encode()


# Signatures that only one forge has.


def test_githubs_signature_is_the_documented_one() -> None:
    # The example of GitHub's documentation.
    headers = {
        "x-hub-signature-256": (
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        )
    }

    github_webhooks.verify_webhook(headers, b"Hello, World!", ["It's a Secret to Everybody"])
    with pytest.raises(SignatureMismatchError):
        github_webhooks.verify_webhook(headers, b"Hello, World?", ["It's a Secret to Everybody"])


@pytest.mark.parametrize("prefixed", [True, False])
def test_gitlabs_signing_token_is_accepted(prefixed: bool) -> None:
    key = bytes(range(32))
    secret = f"whsec_{base64.b64encode(key).decode()}" if prefixed else "a text of mine"
    used = key if prefixed else secret.encode()
    signature = gitlab_webhooks.compute_signature("msg-1", "1700000000", b"{}", used)
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,bm90aGluZw== {signature}",
    }

    gitlab_webhooks.verify_webhook(headers, b"{}", ["old", secret])
    for changed in ({"webhook-id": "msg-2"}, {"webhook-timestamp": "1700000001"}):
        with pytest.raises(SignatureMismatchError):
            gitlab_webhooks.verify_webhook(headers | changed, b"{}", [secret])


def test_what_is_signed_with_nothing_is_signed_by_nobody() -> None:
    body = b"{}"
    signed_with_nothing: list[tuple[ForgeWebhooks, dict[str, str]]] = [
        (github_webhooks, {"x-hub-signature-256": github_webhooks.compute_signature(body, "")}),
        (gitlab_webhooks, {"x-gitlab-token": ""}),
        (
            gitlab_webhooks,
            {"webhook-signature": gitlab_webhooks.compute_signature("", "", body, b"")},
        ),
        (local_webhooks, local_webhooks.build_signed_headers(body, "", "1")),
    ]

    for webhooks, headers in signed_with_nothing:
        with pytest.raises(SignatureMismatchError):
            webhooks.verify_webhook(headers, body, [""])


def test_a_signature_that_does_not_fit_is_not_mended_by_a_token() -> None:
    headers = {"webhook-signature": "v1,bm90aGluZw==", "x-gitlab-token": "right"}

    with pytest.raises(SignatureMismatchError):
        gitlab_webhooks.verify_webhook(headers, b"{}", ["right"])


ELSEWHERE = "https://elsewhere.example/acme/other.git"


@pytest.mark.parametrize("forge", MODULES)
@pytest.mark.parametrize("kind", ["push", "pull_request"])
def test_no_address_of_a_delivery_is_kept(forge: str, kind: str) -> None:
    payload = push_of(forge) if kind == "push" else pull_request_of(forge)
    for part in (payload, *(each for each in payload.values() if isinstance(each, dict))):
        part |= dict.fromkeys(("url", "clone_url", "git_http_url", "html_url"), ELSEWHERE)

    event = read(forge, payload, kind)

    assert event is not None
    assert "elsewhere" not in repr(event)
