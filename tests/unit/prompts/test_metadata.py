"""What a pull request's body remembers, whatever people write around it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.prompt import Json
from bridge.prompts.pull_request.metadata import (
    PendingApproval,
    PullRequestMetadata,
    compute_fingerprint,
    parse_metadata,
    replace_hidden_line,
)
from bridge.prompts.pull_request.proposal_summary import ApprovalRequest

from .strategies import texts

PLAIN = PullRequestMetadata("proposed", "replaced")
REQUEST = ApprovalRequest("Jane", "move", "prod", "2026-03-02T09:00:00+00:00")

requests = st.builds(
    ApprovalRequest, st.none() | texts, st.sampled_from(["move", "deletion"]), texts, texts
)
pending = st.none() | st.builds(PendingApproval, requests, st.none() | st.integers(1, 10**6))
taken_out = st.lists(st.tuples(st.integers(1, 10**6), texts, texts), max_size=3).map(tuple)
memories = st.builds(
    PullRequestMetadata,
    texts,
    texts,
    st.booleans(),
    pending,
    wrote=st.none() | texts,
    taken_out=taken_out,
)


@given(memories, texts, texts)
@settings(max_examples=200, deadline=None)
def test_a_memory_is_recalled_from_between_other_texts(
    metadata: PullRequestMetadata, before: str, after: str
) -> None:
    assert parse_metadata(f"{before}\n{metadata.render_hidden_line()}\n{after}") == metadata


@given(memories, memories, texts, texts)
@settings(max_examples=100, deadline=None)
def test_text_above_and_below_the_hidden_line_stays_when_it_is_replaced(
    before: PullRequestMetadata, after: PullRequestMetadata, above: str, below: str
) -> None:
    body = f"{above}\n{before.render_hidden_line()}\n{below}"

    assert replace_hidden_line(body, after) == f"{above}\n{after.render_hidden_line()}\n{below}"


def test_a_body_without_a_hidden_line_gets_one_at_its_end() -> None:
    body = replace_hidden_line("See `<!-- promptlayer-bridge:`, says a person.\n", PLAIN)

    assert body == (
        f"See `<!-- promptlayer-bridge:`, says a person.\n\n{PLAIN.render_hidden_line()}"
    )


def base64_of(line: str) -> str:
    return line.removeprefix("<!-- promptlayer-bridge:").removesuffix(" -->")


@given(memories)
@settings(max_examples=300, deadline=None)
def test_the_line_is_one_comment_that_nothing_in_it_ends(metadata: PullRequestMetadata) -> None:
    """``-->`` and ``--!>`` end one; neither can be spelled without ``>``."""
    line = metadata.render_hidden_line()

    assert line.startswith("<!-- promptlayer-bridge:")
    assert line.endswith(" -->")
    assert not set(base64_of(line)) & set("<>! \n")


def test_the_last_line_counts() -> None:
    newer = PullRequestMetadata("newer", "replaced", withdrawn=True)

    assert parse_metadata(f"{PLAIN.render_hidden_line()}\n{newer.render_hidden_line()}") == newer


def forged(fields: Json) -> str:
    packed = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()
    return f"<!-- promptlayer-bridge:{packed} -->"


def packed(text: bytes) -> str:
    return f"<!-- promptlayer-bridge:{base64.urlsafe_b64encode(text).decode()} -->"


GOOD = {"proposes": "a", "replaces": "b", "withdrawn": False, "pending": None}
ASKED = {"by": "Jane", "change": "move", "label": "prod", "at": "now"}
FORGED = {
    "nothing": "",
    "no comment": "promptlayer-bridge:e30=",
    "an empty comment": "<!-- promptlayer-bridge: -->",
    "not base64": "<!-- promptlayer-bridge:e -->",
    "not text": packed(b"\xff\xfe"),
    "not JSON": packed(b"{"),
    "nested too deeply": packed(b"[" * 30_000),
    "a list": forged([]),
    "a number": forged(7),
    "nothing in it": forged({}),
    "a number for a text": forged(GOOD | {"proposes": 7}),
    "a word for yes or no": forged(GOOD | {"withdrawn": "yes"}),
    "a text for the request": forged(GOOD | {"pending": "prod"}),
    "a request without a request": forged(GOOD | {"pending": {"from_version": 1}}),
    "a text for a version": forged(GOOD | {"pending": {"request": ASKED, "from_version": "1"}}),
    "a list for a person": forged(
        GOOD | {"pending": {"request": ASKED | {"by": ["Jane"]}, "from_version": 1}}
    ),
    "an unknown change": forged(
        GOOD | {"pending": {"request": ASKED | {"change": "theft"}, "from_version": 1}}
    ),
}


@pytest.mark.parametrize("body", FORGED.values(), ids=FORGED)
def test_a_body_that_was_tampered_with_is_no_memory(body: str) -> None:
    assert parse_metadata(f"Some words.\n{body}\n") is None


def test_a_memory_written_by_a_newer_release_is_understood() -> None:
    assert parse_metadata(forged(GOOD | {"mood": "good"})) == PullRequestMetadata("a", "b")


def test_a_pending_request_is_remembered_whole() -> None:
    metadata = PullRequestMetadata("a", "b", pending=PendingApproval(REQUEST, 4))

    assert parse_metadata(metadata.render_hidden_line()) == metadata


def test_a_fingerprint_is_of_paths_and_meanings_in_any_order() -> None:
    one = compute_fingerprint({"a": "1", "b": None})

    assert one == compute_fingerprint({"b": None, "a": "1"})
    assert (
        len({one, compute_fingerprint({"a": None, "b": "1"}), compute_fingerprint({"a": "1"})}) == 3
    )
