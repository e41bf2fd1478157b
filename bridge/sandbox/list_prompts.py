"""``GET /prompt-templates``: filters, order and pages of the stand-in's list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.prompt_responses import build_list_item
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryEntry
from bridge.sandbox.rest_endpoint import get_flag_parameter, get_number_parameter

DEFAULT_PAGE_SIZE = 30
MAX_PAGE_SIZE = 100

EntryFilter = Callable[[RegistryEntry], bool]

_ORDERS: dict[str, Callable[[RegistryEntry], tuple[object, ...]]] = {
    "created_at": lambda entry: (entry.created_at, entry.id),
    "updated_at": lambda entry: (entry.updated_at, entry.id),
    "name": lambda entry: (entry.name, entry.id),
    "id": lambda entry: (entry.id,),
}


def list_prompts(registry: PromptRegistry, request: Request) -> Response:
    """One page; each item in its newest version, or the labelled one when filtered by label."""
    label = request.query_params.get("label")
    page = get_number_parameter(request, "page") or 1
    size = min(get_number_parameter(request, "per_page") or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    with registry.lock:
        entries = _selected(registry, request)
        shown = entries[(page - 1) * size : page * size]
        items = [
            build_list_item(registry, entry, registry.find_version(entry, label=label))
            for entry in shown
        ]
    head = json.dumps(_place(page, size, len(entries)))
    body = head[:-1].encode() + b', "items": [' + b", ".join(items) + b"]}"
    return Response(body, media_type="application/json")


def _selected(registry: PromptRegistry, request: Request) -> list[RegistryEntry]:
    entries = [entry for entry in registry.entries.values() if entry.versions]
    for allows in _filters(registry, request):
        entries = list(filter(allows, entries))
    order = _ORDERS.get(request.query_params.get("sort_by", "created_at"))
    if order is None:
        raise RequestRefusedError(f"sort_by: Input should be one of {', '.join(_ORDERS)}")
    backwards = request.query_params.get("sort_order", "desc") != "asc"
    return sorted(entries, key=order, reverse=backwards)


def _filters(registry: PromptRegistry, request: Request) -> Iterator[EntryFilter]:
    wanted = request.query_params
    status, label, name = wanted.get("status", "active"), wanted.get("label"), wanted.get("name")
    tags, snippet = set(wanted.getlist("tags")), get_flag_parameter(request, "is_snippet")
    source, external_id = wanted.get("external_source"), wanted.get("external_id")
    email = wanted.get("created_by_email")
    if status != "all":
        yield lambda entry: entry.deleted == (status == "deleted")
    if label is not None:
        yield lambda entry: label in entry.labels
    if name is not None:
        yield lambda entry: name.lower() in entry.name.lower()
    if tags:
        yield lambda entry: tags <= set(entry.tags)
    if snippet is not None:
        yield lambda entry: registry.is_snippet(entry) == snippet
    if source is not None and external_id is not None:
        yield lambda entry: (source, external_id) in entry.external_ids
    if email is not None:
        yield lambda entry: entry.author.email == email
    yield from _date_filters(request)


def _date_filters(request: Request) -> Iterator[EntryFilter]:
    if after := _moment(request, "created_after"):
        yield lambda entry: entry.created_at >= after
    if before := _moment(request, "created_before"):
        yield lambda entry: entry.created_at <= before
    if updated_after := _moment(request, "updated_after"):
        yield lambda entry: entry.updated_at >= updated_after
    if updated_before := _moment(request, "updated_before"):
        yield lambda entry: entry.updated_at <= updated_before


def _moment(request: Request, name: str) -> datetime | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise RequestRefusedError(f"{name}: Input should be a valid datetime") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _place(page: int, size: int, total: int) -> JsonObject:
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
