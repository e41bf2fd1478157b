"""``/prompt-templates``: what PromptLayer's SDKs ask, answered as PromptLayer would.

https://docs.promptlayer.com/reference/templates-get
"""

from __future__ import annotations

import json

from bridge.errors import InvalidInputError
from bridge.serve.find_answers import build_answer_body
from bridge.serve.read_releases import ReleaseView
from bridge.serve.release import PromptRelease
from bridge.serve.serve_response import (
    Headers,
    ServeRequest,
    ServeResponse,
)
from bridge.serve.serve_services import ReleaseEndpoint
from bridge.serve.template_request import parse_template_request, parse_version, read_text

_PAGE_SIZE = 30  # as PromptLayer's
_LARGEST_PAGE = 100
_LIST_PARAMETERS = frozenset(("page", "per_page", "label", "name"))


class TemplateEndpoint(ReleaseEndpoint):
    """``POST`` and ``GET /prompt-templates/{identifier}``, by name or number.

    200 with PromptLayer's answer for the version that is served, byte for byte where nothing is to
    be rendered; 401, 403 for another version, 404, 422; 424 where PromptLayer itself has to be
    asked, and cannot be now. Never a status of 500 or more.
    """

    async def respond(self, request: ServeRequest) -> ServeResponse:
        identifier = request.scope["path_params"]["identifier"]
        if request.is_get:
            return await self._respond_to_get(request, identifier)
        asked = parse_template_request(request.content)
        view = self._reader.open_view(request.application)
        release = view.find_release(identifier, asked.label, asked.version)
        if asked.skip_rendering and not asked.overrides:
            answer = await self._services.answers.find_answer(
                view, release, asked.provider, asked.model
            )
            body = build_answer_body(answer, release.warning)
        else:
            body = await self._services.answers.render(view, release, asked)
        return ServeResponse(200, (body,), _build_headers(view, release))

    async def _respond_to_get(self, request: ServeRequest, identifier: str) -> ServeResponse:
        """The raw form: nothing is rendered, and arguments of a model stand there if asked for."""
        query = request.query
        if query.get("resolve_snippets", "true").lower() not in ("true", "1"):
            raise InvalidInputError(
                "resolve_snippets: what is merged is served with its snippets put in"
            )
        version, label = parse_version(query.get("version")), read_text(query, "label") or None
        view = self._reader.open_view(request.application)
        release = view.find_release(identifier, label, version)
        answer = await self._services.answers.find_answer(view, release)
        content = json.loads(build_answer_body(answer, release.warning))
        if query.get("include_llm_kwargs", "").lower() not in ("true", "1"):
            content["llm_kwargs"] = None
        body = json.dumps({"success": True, **content}).encode()
        return ServeResponse(200, (body,), _build_headers(view, release))


class TemplateListEndpoint(ReleaseEndpoint):
    """``GET /prompt-templates``: what an application may read at a label, page by page, by name."""

    async def respond(self, request: ServeRequest) -> ServeResponse:
        query = request.query
        if foreign := sorted(set(query) - _LIST_PARAMETERS):
            known = ", ".join(sorted(_LIST_PARAMETERS))
            raise InvalidInputError(f"{foreign[0][:100]}: expected one of {known}")
        label = read_text(query, "label") or request.application.default_label
        name = read_text(query, "name").lower()
        page = _parse_count(query.get("page"), "page", 1)
        size = min(_parse_count(query.get("per_page"), "per_page", _PAGE_SIZE), _LARGEST_PAGE)
        view = self._reader.open_view(request.application)
        answers = [
            (release, answer)
            for release in view.list_releases(label)
            if name in release.name.lower() and (answer := view.find_answer(release))
        ]
        shown = answers[(page - 1) * size : page * size]
        head = json.dumps(_build_page(page, size, len(answers))).encode()
        items = [build_answer_body(answer, release.warning) for release, answer in shown]
        return ServeResponse(200, (head[:-1], b', "items": [', b", ".join(items), b"]}"))


def _build_headers(view: ReleaseView, release: PromptRelease) -> Headers:
    return [(b"bridge-age", b"%d" % view.compute_age(release))]


def _build_page(page: int, size: int, total: int) -> dict[str, object]:
    pages = -(-total // size)
    return {
        "page": page,
        "per_page": size,
        "pages": pages,
        "total": total,
        "has_next": page < pages,
        "has_prev": page > 1,
        "next_num": page + 1 if page < pages else None,
        "prev_num": page - 1 if page > 1 else None,
    }


def _parse_count(text: str | None, name: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise InvalidInputError(f"{name}: expected a number from 1")
    return int(text)
