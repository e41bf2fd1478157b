"""The registry's REST API as PromptLayer documents it, traps included.

A read without ``Cache-Control: no-cache`` is answered from a cache and stays stale; an encoded
slash in a name is decoded before routing and finds nothing.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import Malformed, NotFound, Refused
from bridge.prompts.prompt import JsonObject
from bridge.sandbox import publishing
from bridge.sandbox.answering import Action, endpoint, flag, integer, number
from bridge.sandbox.entries import Entry
from bridge.sandbox.listing import list_prompts
from bridge.sandbox.registry import Registry
from bridge.sandbox.served import (
    external_ids,
    label_answer,
    labels_answer,
    published_answer,
    raw_answer,
    resolved_answer,
    snippet_usage_answer,
)


class Rest:
    """The endpoints about prompts and labels."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._cache: dict[str, JsonObject] = {}

    def routes(self, api_key: str) -> list[Route]:
        one, by_number = "/prompt-templates/{identifier}", "/prompt-templates/{id:int}"
        outside = "/{source}/{external_id:path}"
        table: list[tuple[str, str, Action]] = [
            ("GET", "/prompt-templates", self.list),
            ("PUT", f"/prompt-templates/by-external-id{outside}", self.put_by_external_id),
            ("GET", f"{by_number}/external-ids", self.list_external_ids),
            ("POST", f"{by_number}/external-ids", self.attach_external_id),
            ("DELETE", f"{by_number}/external-ids{outside}", self.detach_external_id),
            ("GET", f"{one}/labels", self.labels),
            ("GET", f"{one}/snippet-usage", self.snippet_usage),
            ("GET", one, self.read),
            ("POST", one, self.resolve),
            ("POST", "/prompts/{id:int}/label", self.create_label),
            ("PATCH", "/prompt-labels/{id:int}", self.move_label),
            ("DELETE", "/prompt-labels/{id:int}", self.delete_label),
            ("POST", "/rest/prompt-templates", self.publish),
            ("PATCH", "/rest/prompt-templates/{identifier}", self.patch),
        ]
        return [
            Route(path, endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def list(self, request: Request, _: JsonObject) -> Response:
        return list_prompts(self._registry, request)

    def read(self, request: Request, _: JsonObject) -> Response:
        key = f"{request.url.path}?{request.url.query}"
        if request.headers.get("Cache-Control") != "no-cache" and key in self._cache:
            return JSONResponse(self._cache[key])
        self._cache[key] = self._read(request)
        return JSONResponse(self._cache[key])

    def _read(self, request: Request) -> JsonObject:
        wanted, label = number(request, "version"), request.query_params.get("label")
        if wanted is not None and label is not None:
            raise Refused("version and label are mutually exclusive")
        with self._registry.lock:
            entry = self._entry(request)
            version = self._registry.version(entry, number=wanted, label=label)
            resolve = flag(request, "resolve_snippets") is not False
            return raw_answer(self._registry, entry, version, resolve=resolve)

    def resolve(self, request: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            entry, label = self._entry(request), body.get("label")
            wanted = integer(body, "version") if body.get("version") and not label else None
            version = self._registry.version(entry, number=wanted, label=label)
            return JSONResponse(resolved_answer(self._registry, entry, version))

    def labels(self, request: Request, _: JsonObject) -> Response:
        with self._registry.lock:
            return JSONResponse(labels_answer(self._entry(request)))

    def snippet_usage(self, request: Request, _: JsonObject) -> Response:
        wanted = number(request, "prompt_version_number")
        with self._registry.lock:
            entry = self._entry(request)
            return JSONResponse(snippet_usage_answer(self._registry, entry, wanted))

    def create_label(self, request: Request, body: JsonObject) -> Response:
        version, name = integer(body, "prompt_version_number"), body.get("name")
        if not isinstance(name, str):
            raise Refused("name: Input should be a valid string")
        return self._place_label(request.path_params["id"], name, version)

    def move_label(self, request: Request, body: JsonObject) -> Response:
        label = self._registry.label(request.path_params["id"])
        version = integer(body, "prompt_version_number")
        return self._place_label(label.prompt_id, label.name, version)

    def _place_label(self, id: int, name: str, version: int) -> Response:
        actor = publishing.API_USER
        with self._registry.lock:
            label = self._registry.move_label(id, name, version, actor=actor)
            return JSONResponse(label_answer(self._registry.entry(id), label))

    def delete_label(self, request: Request, _: JsonObject) -> Response:
        label = self._registry.label(request.path_params["id"])
        self._registry.delete_label(label.prompt_id, label.name, actor=publishing.API_USER)
        return Response(status_code=204)

    def publish(self, _: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            version = publishing.publish(self._registry, body)
            return self._published(version.prompt_id, body, 201)

    def patch(self, request: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            entry = self._entry(request)
            publishing.patch(self._registry, entry, body)
            return self._published(entry.id, body, 201)

    def put_by_external_id(self, request: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            pair = publishing.external_id(request.path_params)
            owner = self._registry.entry_with(pair)
            name = owner.name if owner else None
            version = publishing.publish(self._registry, body, name=name, owned=pair)
            return self._published(version.prompt_id, body, 200 if owner else 201)

    def _published(self, id: int, body: JsonObject, status: int) -> Response:
        entry = self._registry.entry(id)
        labels = publishing.release_labels(body)
        return JSONResponse(published_answer(entry, entry.latest, labels), status)

    def list_external_ids(self, request: Request, _: JsonObject) -> Response:
        entry = self._registry.entry(request.path_params["id"])
        return JSONResponse({"success": True, "external_ids": external_ids(entry)})

    def attach_external_id(self, request: Request, body: JsonObject) -> Response:
        source, value = publishing.external_id(body)
        self._registry.attach(request.path_params["id"], (source, value))
        attached = {"source": source, "external_id": value}
        return JSONResponse({"success": True, "external_id": attached}, 201)

    def detach_external_id(self, request: Request, _: JsonObject) -> Response:
        pair = publishing.external_id(request.path_params)
        self._registry.detach(request.path_params["id"], pair)
        return JSONResponse({"success": True})

    def _entry(self, request: Request) -> Entry:
        # The server decoded once before routing; a name with slashes has to be encoded twice.
        return self._registry.entry(unquote(request.path_params["identifier"]))


class FolderRest:
    """The endpoints about folders."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self, api_key: str) -> list[Route]:
        folders = "/api/public/v2/folders"
        table: list[tuple[str, str, Action]] = [
            ("POST", folders, self.create),
            ("GET", f"{folders}/resolve-id", self.resolve),
            ("GET", f"{folders}/entities", self.entities),
            ("POST", f"{folders}/entities", self.move),
            ("DELETE", f"{folders}/entities", self.delete),
        ]
        return [
            Route(path, endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def create(self, _: Request, body: JsonObject) -> Response:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise Refused("name: String should have 1 to 255 characters")
        folder = self._registry.create_folder(name, body.get("parent_id"))
        answer = {
            "id": folder.id,
            "name": folder.name,
            "created_at": folder.created_at.isoformat(),
            "updated_at": folder.created_at.isoformat(),
            "path": None,
            "workspace_id": self._registry.workspace_id,
            "parent_id": folder.parent_id,
            "external_ids": [],
        }
        return JSONResponse({"success": True, "folder": answer}, 201)

    def resolve(self, request: Request, _: JsonObject) -> Response:
        folder = self._registry.folders.resolve(request.query_params.get("path", ""))
        return JSONResponse({"id": folder.id})

    def entities(self, request: Request, _: JsonObject) -> Response:
        """Prompts and snippets only; the folder's own, or with ``flatten`` all below it."""
        registry, folder_id = self._registry, number(request, "folder_id")
        detailed = flag(request, "include_metadata")
        registry.folders.check(folder_id)
        with registry.lock:
            found = [
                self._entity(entry) | (self._metadata(entry) if detailed else {})
                for entry in registry.entries.values()
                if not entry.deleted and self._shown(entry, folder_id, flag(request, "flatten"))
            ]
        kinds = request.query_params.getlist("filter_type")
        return JSONResponse({"entities": [e for e in found if not kinds or e["type"] in kinds]})

    def _shown(self, entry: Entry, folder_id: int | None, flatten: bool | None) -> bool:
        if flatten:
            return self._registry.folders.within(entry.folder_id, folder_id)
        return entry.folder_id == folder_id

    def _entity(self, entry: Entry) -> JsonObject:
        return {
            "id": entry.id,
            "name": entry.name,
            "type": "SNIPPET" if self._registry.is_snippet(entry) else "PROMPT",
            "created_at": entry.created_at.isoformat(),
            "updated_at": entry.updated_at.isoformat(),
            "folder_id": entry.folder_id,
            "path": self._registry.folders.path(entry.folder_id),
            "external_ids": external_ids(entry),
        }

    def _metadata(self, entry: Entry) -> JsonObject:
        kind, number = entry.latest.template["type"], entry.latest.number
        return {"metadata": {"type": kind, "latest_version_number": number}}

    def move(self, _: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            ids = self._named(body)
            for id in ids:
                self._registry.move_to_folder(id, body.get("folder_id"))
        return JSONResponse({"moved_count": len(ids)})

    def delete(self, _: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            ids = self._named(body)
            for id in ids:
                self._registry.delete(id, actor=publishing.API_USER)
        return JSONResponse({"moved_count": len(ids)})

    def _named(self, body: JsonObject) -> list[int]:
        """The prompts of the body, all of them there."""
        entities = body.get("entities")
        if not isinstance(entities, list):
            raise Refused("entities: Field required")
        for entity in entities:
            if not isinstance(entity, dict) or entity.get("type") not in ("PROMPT", "SNIPPET"):
                raise Malformed("Only entities of type PROMPT and SNIPPET are known here.")
        ids = [integer(entity, "id") for entity in entities]
        for id in ids:
            if id not in self._registry.entries:
                raise NotFound(f"Entity {id} not found.")
        return ids
