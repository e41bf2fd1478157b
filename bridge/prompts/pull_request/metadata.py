"""Write and read the hidden line of a pull request's body: the metadata that the bridge stores there.

A closed pull request is a rejection, and this line says of which contents. Losing it (a person may
edit the body) costs a repeated proposal, never a lost text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from pydantic import TypeAdapter

from bridge.prompts.pull_request.proposal_summary import ApprovalRequest
from bridge.prompts.target import Target

_LINE = re.compile(r"<!-- promptlayer-bridge:([A-Za-z0-9_-]+={0,2}) -->")

MOST_CHANGES = 200  # that the hidden line of one pull request lists

TakenOut = tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class PendingApproval:
    """A requested change of a protected label that is not decided."""

    request: ApprovalRequest
    from_version: int | None  # where the label stood when the bridge first read the request
    shown_version: int | None = None  # the newest one when it was asked, which stands for it


@dataclass(frozen=True)
class CheckBoxAnswer:
    """The result of a check box that a person checked; ``action`` is a CheckBoxAction."""

    action: str
    by: str  # login; empty where the forge does not say who it was
    result: str  # one sentence


@dataclass(frozen=True)
class PullRequestMetadata:
    """The fields of the hidden line; immutable, so that a parsed body can be cached."""

    proposes: str  # fingerprint of the proposed content
    replaces: str  # fingerprint of what it replaces on the base branch
    withdrawn: bool = False  # closed by the bridge, so not a rejection
    pending: PendingApproval | None = None
    versions: tuple[tuple[int, str, int | None], ...] = ()  # (prompt id, label, version)
    before: tuple[tuple[int, str, int | None], ...] = ()  # the same, as the base branch has it
    followed: bool = False  # the labels of a merge or a rejection were moved
    adopted: tuple[int, ...] = ()  # ids of prompts for which a person chose PromptLayer's text
    base: str | None = None  # the branch the bridge proposed it to; None: not recorded
    requested: tuple[tuple[str, str], ...] | None = None
    """Labels, reviewers and assignees that the bridge asked the forge for: (which of these, name).
    Whatever of them is not there was refused, or taken away by a person, and is not asked for
    again. None: an older bridge opened it and asked for all of them."""
    refused: tuple[tuple[str, str], ...] = ()  # those of ``requested`` that the forge refused
    title: str | None = None  # as the bridge wrote it last: another one is a person's, and stays
    status_commit: str | None = None  # the commit on which the bridge set the pending status
    wrote: str | None = None  # object name of the commit that the bridge wrote last
    taken_out: TakenOut = ()
    """(prompt id, label, fingerprint of the content) of what a person took out of the branch."""
    texts: tuple[tuple[int, str, str | None, str | None], ...] = ()
    """(prompt id, label, how the digest of PromptLayer's text begins, the same of the file's)."""
    contents: tuple[tuple[int, str, str], ...] = ()
    """(prompt id, label, name of the content) of what it proposes: who closes it declines these."""
    answers: tuple[CheckBoxAnswer, ...] = ()  # the newest for each check box

    @property
    def names_few(self) -> bool:
        """Whether it may propose more than ``contents`` names."""
        return len(self.contents) in (0, MOST_CHANGES)

    def find_version(self, target: Target) -> int | None:
        """The version of PromptLayer that is proposed for a target; None where the line names
        none."""
        found = (number for id, label, number in self.versions if _names(target, id, label))
        return next(found, None)

    def find_digests(self, target: Target) -> tuple[str | None, str | None] | None:
        """The beginnings of the digests of PromptLayer's text and of the file's when a target was
        proposed; None where the line does not name the target."""
        found = ((p, r) for id, label, p, r in self.texts if _names(target, id, label))
        return next(found, None)

    def find_content(self, target: Target) -> str | None:
        """The name of the content that is proposed for a target; None where the line names none."""
        found = (content for id, label, content in self.contents if _names(target, id, label))
        return next(found, None)

    def render_hidden_line(self) -> str:
        """The hidden line; holds no character that could end the comment around it."""
        packed = json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()
        return f"<!-- promptlayer-bridge:{base64.urlsafe_b64encode(packed).decode()} -->"


_ADAPTER = TypeAdapter(PullRequestMetadata)


def _names(target: Target, prompt_id: int, label: str) -> bool:
    return (target.prompt_id, target.label) == (prompt_id, label)


@lru_cache(maxsize=64)  # one reconcile parses the bodies of its pull requests many times
def parse_metadata(body: str) -> PullRequestMetadata | None:
    """Parse the last hidden line of a body; None when there is none that can be read."""
    lines = _LINE.findall(body)
    if not lines:
        return None
    try:
        return _ADAPTER.validate_json(base64.urlsafe_b64decode(lines[-1]), strict=True)
    except ValueError:  # not base64, not JSON, or other fields
        return None


def find_hidden_line(body: str) -> int | None:
    """Find where the last hidden line of a body begins; None where there is none."""
    found = list(_LINE.finditer(body))
    return found[-1].start() if found else None


def replace_hidden_line(body: str, metadata: PullRequestMetadata) -> str:
    """Put ``metadata`` into a body, in place of its last hidden line or at the end; all other text
    stays, whatever people wrote above or below the line."""
    line = metadata.render_hidden_line()
    lines = list(_LINE.finditer(body))
    if not lines:
        return f"{body.rstrip()}\n\n{line}"
    return body[: lines[-1].start()] + line + body[lines[-1].end() :]


def compute_fingerprint(contents: Mapping[str, str | None]) -> str:
    """One short name for a set of files: path → digest of its meaning (None: no file)."""
    listing = json.dumps(sorted(contents.items()), separators=(",", ":"))
    return hashlib.sha256(listing.encode()).hexdigest()[:24]
