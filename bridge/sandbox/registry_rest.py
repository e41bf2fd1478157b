"""The registry's REST API as PromptLayer documents it, traps included.

A read without ``Cache-Control: no-cache`` is answered from a cache and stays stale; an encoded
slash in a name is decoded before routing and finds nothing.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import MalformedPayloadError, NotFoundError, RequestRefusedError
from bridge.prompts.prompt import JsonObject
from bridge.sandbox import publish_requests
from bridge.sandbox.list_prompts import list_prompts
from bridge.sandbox.prompt_responses import (
    build_external_ids,
    build_label_response,
    build_labels_response,
    build_publish_response,
    build_raw_response,
    build_resolved_response,
    build_snippet_usage_response,
)
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryEntry
from bridge.sandbox.rest_endpoint import (
    EndpointAction,
    create_endpoint,
    get_flag_parameter,
    get_integer_field,
    get_number_parameter,
)
from bridge.sandbox.validation import check_wanted_prompt


class RegistryRestApi:
    """The endpoints about prompts and labels."""

    def __init__(self, registry: PromptRegistry) -> None:
        self._registry = registry
        self._cache: dict[str, JsonObject] = {}

    def create_routes(self, api_key: str) -> list[Route]:
        one, by_number = "/prompt-templates/{identifier}", "/prompt-templates/{id:int}"
        outside = "/{source}/{external_id:path}"
        table: list[tuple[str, str, EndpointAction]] = [
            ("GET", "/prompt-templates", self.list_prompts),
            ("PUT", f"/prompt-templates/by-external-id{outside}", self.put_by_external_id),
            ("GET", f"{by_number}/external-ids", self.list_external_ids),
            ("POST", f"{by_number}/external-ids", self.attach_external_id),
            ("DELETE", f"{by_number}/external-ids{outside}", self.detach_external_id),
            ("GET", f"{one}/labels", self.list_labels),
            ("GET", f"{one}/snippet-usage", self.list_snippet_usage),
            ("GET", one, self.read_prompt),
            ("POST", one, self.resolve_prompt),
            ("POST", "/prompts/{id:int}/label", self.create_label),
            ("PATCH", "/prompt-labels/{id:int}", self.move_label),
            ("DELETE", "/prompt-labels/{id:int}", self.delete_label),
            ("POST", "/rest/prompt-templates", self.publish),
            ("PATCH", "/rest/prompt-templates/{identifier}", self.patch),
        ]
        return [
            Route(path, create_endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def list_prompts(self, request: Request, _: JsonObject) -> Response:
        return list_prompts(self._registry, request)

    def read_prompt(self, request: Request, _: JsonObject) -> Response:
        key = f"{request.url.path}?{request.url.query}"
        if request.headers.get("Cache-Control") != "no-cache" and key in self._cache:
            return JSONResponse(self._cache[key])
        self._cache[key] = self._read(request)
        return JSONResponse(self._cache[key])

    def _read(self, request: Request) -> JsonObject:
        wanted, label = get_number_parameter(request, "version"), request.query_params.get("label")
        if wanted is not None and label is not None:
            raise RequestRefusedError("version and label are mutually exclusive")
        with self._registry.lock:
            entry = self._entry(request)
            version = self._registry.find_version(entry, number=wanted, label=label)
            resolve = get_flag_parameter(request, "resolve_snippets") is not False
            return build_raw_response(self._registry, entry, version, resolve=resolve)

    def resolve_prompt(self, request: Request, body: JsonObject) -> Response:
        check_wanted_prompt(body)
        with self._registry.lock:
            entry, label = self._entry(request), body.get("label")
            wanted = (
                get_integer_field(body, "version") if body.get("version") and not label else None
            )
            version = self._registry.find_version(entry, number=wanted, label=label)
            return JSONResponse(build_resolved_response(self._registry, entry, version, body))

    def list_labels(self, request: Request, _: JsonObject) -> Response:
        with self._registry.lock:
            return JSONResponse(build_labels_response(self._entry(request)))

    def list_snippet_usage(self, request: Request, _: JsonObject) -> Response:
        wanted = get_number_parameter(request, "prompt_version_number")
        with self._registry.lock:
            entry = self._entry(request)
            return JSONResponse(build_snippet_usage_response(self._registry, entry, wanted))

    def create_label(self, request: Request, body: JsonObject) -> Response:
        version, name = get_integer_field(body, "prompt_version_number"), body.get("name")
        if not isinstance(name, str):
            raise RequestRefusedError("name: Input should be a valid string")
        return self._place_label(request.path_params["id"], name, version)

    def move_label(self, request: Request, body: JsonObject) -> Response:
        label = self._registry.find_label(request.path_params["id"])
        version = get_integer_field(body, "prompt_version_number")
        return self._place_label(label.prompt_id, label.name, version)

    def _place_label(self, id: int, name: str, version: int) -> Response:
        actor = publish_requests.API_USER
        with self._registry.lock:
            label = self._registry.move_label(id, name, version, actor=actor)
            return JSONResponse(build_label_response(self._registry.find_entry(id), label))

    def delete_label(self, request: Request, _: JsonObject) -> Response:
        label = self._registry.find_label(request.path_params["id"])
        self._registry.delete_label(label.prompt_id, label.name, actor=publish_requests.API_USER)
        return Response(status_code=204)

    def publish(self, _: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            version = publish_requests.save_published_version(self._registry, body)
            return self._published(version.prompt_id, body, 201)

    def patch(self, request: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            entry = self._entry(request)
            publish_requests.save_patched_version(self._registry, entry, body)
            return self._published(entry.id, body, 201)

    def put_by_external_id(self, request: Request, body: JsonObject) -> Response:
        with self._registry.lock:
            pair = publish_requests.parse_external_id(request.path_params)
            owner = self._registry.find_entry_by_external_id(pair)
            name = owner.name if owner else None
            version = publish_requests.save_published_version(
                self._registry, body, name=name, owned=pair
            )
            return self._published(version.prompt_id, body, 200 if owner else 201)

    def _published(self, id: int, body: JsonObject, status: int) -> Response:
        entry = self._registry.find_entry(id)
        labels = publish_requests.parse_release_labels(body)
        return JSONResponse(build_publish_response(entry, entry.latest, labels), status)

    def list_external_ids(self, request: Request, _: JsonObject) -> Response:
        entry = self._registry.find_entry(request.path_params["id"])
        return JSONResponse({"success": True, "external_ids": build_external_ids(entry)})

    def attach_external_id(self, request: Request, body: JsonObject) -> Response:
        source, value = publish_requests.parse_external_id(body)
        self._registry.attach_external_id(request.path_params["id"], (source, value))
        attached = {"source": source, "external_id": value}
        return JSONResponse({"success": True, "external_id": attached}, 201)

    def detach_external_id(self, request: Request, _: JsonObject) -> Response:
        pair = publish_requests.parse_external_id(request.path_params)
        self._registry.detach_external_id(request.path_params["id"], pair)
        return JSONResponse({"success": True})

    def _entry(self, request: Request) -> RegistryEntry:
        # The server decoded once before routing; a name with slashes has to be encoded twice.
        return self._registry.find_entry(unquote(request.path_params["identifier"]))


class FolderRestApi:
    """The endpoints about folders."""

    def __init__(self, registry: PromptRegistry) -> None:
        self._registry = registry

    def create_routes(self, api_key: str) -> list[Route]:
        folders = "/api/public/v2/folders"
        table: list[tuple[str, str, EndpointAction]] = [
            ("POST", folders, self.create),
            ("GET", f"{folders}/resolve-id", self.resolve),
            ("GET", f"{folders}/entities", self.list_entities),
            ("POST", f"{folders}/entities", self.move),
            ("DELETE", f"{folders}/entities", self.delete),
        ]
        return [
            Route(path, create_endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def create(self, _: Request, body: JsonObject) -> Response:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise RequestRefusedError("name: String should have 1 to 255 characters")
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

    def list_entities(self, request: Request, _: JsonObject) -> Response:
        """Prompts and snippets only; the folder's own, or with ``flatten`` all below it."""
        registry, folder_id = self._registry, get_number_parameter(request, "folder_id")
        detailed = get_flag_parameter(request, "include_metadata")
        registry.folders.require_folder(folder_id)
        with registry.lock:
            found = [
                self._entity(entry) | (self._metadata(entry) if detailed else {})
                for entry in registry.entries.values()
                if not entry.deleted
                and self._shown(entry, folder_id, get_flag_parameter(request, "flatten"))
            ]
        kinds = request.query_params.getlist("filter_type")
        return JSONResponse({"entities": [e for e in found if not kinds or e["type"] in kinds]})

    def _shown(self, entry: RegistryEntry, folder_id: int | None, flatten: bool | None) -> bool:
        if flatten:
            return self._registry.folders.is_within(entry.folder_id, folder_id)
        return entry.folder_id == folder_id

    def _entity(self, entry: RegistryEntry) -> JsonObject:
        return {
            "id": entry.id,
            "name": entry.name,
            "type": "SNIPPET" if self._registry.is_snippet(entry) else "PROMPT",
            "created_at": entry.created_at.isoformat(),
            "updated_at": entry.updated_at.isoformat(),
            "folder_id": entry.folder_id,
            "path": self._registry.folders.build_path(entry.folder_id),
            "external_ids": build_external_ids(entry),
        }

    def _metadata(self, entry: RegistryEntry) -> JsonObject:
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
                self._registry.delete(id, actor=publish_requests.API_USER)
        return JSONResponse({"moved_count": len(ids)})

    def _named(self, body: JsonObject) -> list[int]:
        """The prompts of the body, all of them there."""
        entities = body.get("entities")
        if not isinstance(entities, list):
            raise RequestRefusedError("entities: Field required")
        for entity in entities:
            if not isinstance(entity, dict) or entity.get("type") not in ("PROMPT", "SNIPPET"):
                raise MalformedPayloadError(
                    "Only entities of type PROMPT and SNIPPET are known here."
                )
        ids = [get_integer_field(entity, "id") for entity in entities]
        for id in ids:
            if id not in self._registry.entries:
                raise NotFoundError(f"Entity {id} not found.")
        return ids
