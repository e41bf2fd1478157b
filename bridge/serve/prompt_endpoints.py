"""``/v1``: what is served, without an SDK: one prompt, all of them, and whether a commit is.

The description is docs/openapi.yaml.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import InvalidInputError, NotFoundError
from bridge.serve.application_tokens import ServedApplication
from bridge.serve.read_releases import ReleaseView
from bridge.serve.release import PromptAnswer, PromptRelease, ReleaseKey, ReleaseSnapshot
from bridge.serve.serve_response import (
    Headers,
    ServeRequest,
    ServeResponse,
    build_json_response,
)
from bridge.serve.serve_services import ReleaseEndpoint, ServeServices
from bridge.serve.template_request import parse_version, read_text

LONGEST_WAIT = 60.0  # seconds
_STOP_CHECKED = 0.5  # seconds; a wait ends so soon once the process is asked to
_LISTED_AT_ONCE = 500
_CACHE_CONTROL = (b"cache-control", b"private, no-cache")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})")
_TAG = re.compile(rb'(?:W/)?("[^"]*")|(\*)')
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class ReleaseDocument:
    """A release as JSON: what the bridge says of it, up to PromptLayer's answer, which follows."""

    release: PromptRelease
    head: bytes
    answer: PromptAnswer
    etag: bytes  # strong, in quotes

    @property
    def body(self) -> Sequence[bytes]:
        return (self.head, self.answer.body, b"}")


@dataclass(frozen=True)
class ReleaseList:
    """All that an application may read at a label, by name."""

    documents: Sequence[ReleaseDocument]
    etag: bytes
    confirmed_at: datetime  # of the one that was confirmed the longest time ago


class ReleaseDocuments:
    """Documents and lists of the newest snapshot, each made once. For one event loop."""

    def __init__(self) -> None:
        self._snapshot = ReleaseSnapshot()
        self._documents: dict[ReleaseKey, ReleaseDocument] = {}
        self._lists: dict[tuple[ServedApplication, str], ReleaseList] = {}

    def get_document(self, view: ReleaseView, release: PromptRelease) -> ReleaseDocument | None:
        """None where PromptLayer's answer is not there."""
        if self._snapshot is not view.snapshot:
            self._snapshot, self._documents, self._lists = view.snapshot, {}, {}
        document = self._documents.get(release.key)
        if document is None and (answer := view.find_answer(release)):
            document = build_document(release, answer)
            if release.key.label:
                self._documents[release.key] = document
        return document

    async def get_list(self, view: ReleaseView, label: str) -> ReleaseList:
        """Raises NotFoundError for a label that the application may not read."""
        place = (view.application, label)
        known = self._lists.get(place) if self._snapshot is view.snapshot else None
        if known is not None and view.now - known.confirmed_at <= view.stale:
            return known
        documents, confirmed_at = list[ReleaseDocument](), view.now
        for number, release in enumerate(view.list_releases(label)):
            if (document := self.get_document(view, release)) is not None:
                documents.append(document)
            confirmed_at = min(confirmed_at, release.confirmed_at)
            if number % _LISTED_AT_ONCE == _LISTED_AT_ONCE - 1:
                await asyncio.sleep(0)  # other reads have their turn
        made = ReleaseList(documents, _compute_list_etag(label, documents), confirmed_at)
        if self._snapshot is view.snapshot:
            self._lists[place] = made
        return made


def build_document(release: PromptRelease, answer: PromptAnswer) -> ReleaseDocument:
    told = {
        "name": release.name,
        "id": release.key.prompt_id,
        "label": release.key.label or None,
        "version": release.version,
        "commit": release.commit or None,
        "path": release.path or None,
        "served_since": release.released_at.isoformat() if release.commit else None,
        "warning": release.warning,
    }
    head = json.dumps(told).encode()[:-1] + b', "prompt": '
    return ReleaseDocument(release, head, answer, _compute_etag(head, answer.etag.encode()))


class PromptEndpoint(ReleaseEndpoint):
    """``GET /v1/prompts/{name}``: one prompt, with commit, path and a strong ETag."""

    def __init__(self, services: ServeServices, documents: ReleaseDocuments) -> None:
        super().__init__(services)
        self._documents = documents

    async def respond(self, request: ServeRequest) -> ServeResponse:
        query = request.query
        version, label = parse_version(query.get("version")), read_text(query, "label") or None
        name = request.scope["path_params"]["identifier"]
        view = self._reader.open_view(request.application)
        release = view.find_release(name, label, version)
        document = self._documents.get_document(view, release)
        if document is None:
            document = build_document(
                release, await self._services.answers.find_answer(view, release)
            )
        age = (b"bridge-age", b"%d" % view.compute_age(release))
        headers = [(b"etag", document.etag), _CACHE_CONTROL, age]
        if matches_etag(request.headers, document.etag):
            return ServeResponse(304, (), headers)
        return ServeResponse(200, document.body, headers)


class PromptListEndpoint(ReleaseEndpoint):
    """``GET /v1/prompts``: all that an application may read at a label under one ETag. With
    ``Prefer: wait=25`` and the ETag of the last answer, the answer waits for the next change."""

    def __init__(self, services: ServeServices, documents: ReleaseDocuments) -> None:
        super().__init__(services)
        self._documents = documents

    async def respond(self, request: ServeRequest) -> ServeResponse:
        label = read_text(request.query, "label") or request.application.default_label
        wait = parse_wait_preference(request.headers)
        deadline = time.monotonic() + (wait or 0)
        view = self._reader.open_view(request.application)
        found = await self._documents.get_list(view, label)
        while matches_etag(request.headers, found.etag):
            if not await self._wait_for_change(view.snapshot.revision, deadline):
                break
            view = self._reader.open_view(request.application)
            found = await self._documents.get_list(view, label)
        etag, documents = found.etag, found.documents
        age = int((view.now - found.confirmed_at).total_seconds()) if documents else 0
        headers: list[tuple[bytes, bytes]] = [(b"etag", etag), _CACHE_CONTROL]
        headers.append((b"bridge-age", b"%d" % age))
        if wait is not None:
            headers.append((b"preference-applied", b"wait=%d" % wait))
        if matches_etag(request.headers, etag):
            return ServeResponse(304, (), headers)
        return _build_list_response(label, documents, headers)

    async def _wait_for_change(self, revision: int, deadline: float) -> bool:
        """Whether there may be a change; False once the time is over."""
        while (left := deadline - time.monotonic()) > 0 and not self._services.is_stopping():
            if await self._reader.index.wait_for_revision(revision, min(left, _STOP_CHECKED)):
                return True
        return False


class CommitEndpoint(ReleaseEndpoint):
    """``GET /v1/commits/{sha}``: 200 once a commit of the base branch, or a later one, is what is
    served of every mapping of its repository; 404 before that. With ``?wait=30`` the answer waits
    for it."""

    async def respond(self, request: ServeRequest) -> ServeResponse:
        commit = request.scope["path_params"]["commit"].lower()
        if not _COMMIT.fullmatch(commit):
            raise InvalidInputError("expected a commit's hexadecimal name, of 7 characters or more")
        deadline = time.monotonic() + _parse_wait(request.query.get("wait"))
        while True:
            snapshot = self._reader.index.snapshot
            behind, ahead = self._compare(snapshot, request.application.source, commit)
            if ahead and not behind:
                return build_json_response(
                    200, {"commit": commit, "served": True, "mappings": ahead}
                )
            left = deadline - time.monotonic()
            if left <= 0 or self._services.is_stopping():
                where = f" by {', '.join(behind)}" if behind else ""
                raise NotFoundError(f"The commit {commit}, or a later one, is not served{where}.")
            await self._reader.index.wait_for_revision(snapshot.revision, min(left, _STOP_CHECKED))

    def _compare(
        self, snapshot: ReleaseSnapshot, source: str, commit: str
    ) -> tuple[list[str], list[str]]:
        """Names of mappings: those that have to follow the commit yet, and those that do."""
        mappings = [each for each in self._services.find_mappings() if each.source == source]
        having = {each for each in mappings if _has_commit(snapshot, each.name, commit)}
        repositories = {each.repository for each in having}
        concerned = {each for each in mappings if each.repository in repositories}
        return (
            sorted(each.name for each in concerned - having),
            sorted(each.name for each in having),
        )


def matches_etag(headers: Mapping[bytes, bytes], etag: bytes) -> bool:
    """Whether ``If-None-Match`` names this version, by the weak comparison of RFC 9110, 13.1.2."""
    shown = headers.get(b"if-none-match")
    if shown is None:
        return False
    return any(tag == etag or star for tag, star in _TAG.findall(shown))


def parse_wait_preference(headers: Mapping[bytes, bytes]) -> int | None:
    """The seconds of ``Prefer: wait=25`` (RFC 7240), LONGEST_WAIT at most."""
    found = _WAIT.search(headers.get(b"prefer", b"").decode("latin-1"))
    return min(int(found[1]), int(LONGEST_WAIT)) if found else None


def _parse_wait(text: str | None) -> float:
    if not text:
        return 0.0
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise InvalidInputError("wait: expected whole seconds")
    return min(float(text), LONGEST_WAIT)


def _has_commit(snapshot: ReleaseSnapshot, mapping: str, commit: str) -> bool:
    return any(each.commit.startswith(commit) for each in snapshot.commits.get(mapping, ()))


def _compute_etag(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return b'"%s"' % digest.hexdigest()[:32].encode()


def _compute_list_etag(label: str, documents: Sequence[ReleaseDocument]) -> bytes:
    tags = [document.etag for document in documents]
    return _compute_etag(label.encode("utf-8", "surrogatepass"), *tags)


def _build_list_response(
    label: str, documents: Sequence[ReleaseDocument], headers: Headers
) -> ServeResponse:
    body = [b'{"label": ', json.dumps(label).encode(), b', "prompts": [']
    for number, document in enumerate(documents):
        body += [b", "] if number else []
        body += document.body
    return ServeResponse(200, (*body, b"]}"), headers)
