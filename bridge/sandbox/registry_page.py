"""A page for the stand-in, to edit prompts and labels as in PromptLayer.

For one person on their own machine. It has no login, so it accepts only its own forms, which have a
token that no other site can read.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.errors import BridgeError, ForbiddenError, NotFoundError, RequestRefusedError
from bridge.promptlayer.webhook_events import EventUser
from bridge.sandbox.prompt_form import (
    EMPTY_ROWS,
    ROLES,
    PromptFormFields,
    PromptFormRow,
    apply_form_to_metadata,
    apply_form_to_template,
    build_form_rows,
    build_model_fields,
)
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import DEFAULT_EDITOR, RegistryEntry, RegistryVersion
from bridge.sandbox.webhook_sender import WebhookSender

TEMPLATES_FOLDER = Path(__file__).parent / "templates" / "promptlayer"
MAX_SHOWN_PROMPTS = 200
MAX_SHOWN_WEBHOOKS = 15
_ACTOR = "actor"  # the cookie that says who is acting

EntryAction = Callable[[RegistryEntry, PromptFormFields, EventUser], None]


class RegistryPageRoutes:
    def __init__(self, registry: PromptRegistry, webhooks: WebhookSender) -> None:
        self._registry = registry
        self._webhooks = webhooks
        self._token = secrets.token_urlsafe(16)
        self._pages = Environment(
            loader=FileSystemLoader(TEMPLATES_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._acts: dict[str, EntryAction] = {
            "save": self._save,
            "rename": lambda entry, form, actor: registry.rename(
                entry.id, form.get("name", ""), actor=actor
            ),
            "delete": lambda entry, _, actor: registry.delete(entry.id, actor=actor),
            "move-label": self._move_label,
            "delete-label": self._delete_label,
            "approve-label": lambda entry, form, actor: registry.approve_label(
                entry.id, form.get("label", ""), actor=actor
            ),
            "deny-label": lambda entry, form, actor: registry.deny_label(
                entry.id, form.get("label", ""), actor=actor
            ),
        }

    def create_routes(self) -> list[Route]:
        return [
            Route("/", self.show_home),
            Route("/ui/new", self.show_new_form),
            Route("/ui/new", self.create, methods=["POST"]),
            Route("/ui/actor", self.act_as, methods=["POST"]),
            Route("/ui/protect", self.protect, methods=["POST"]),
            Route("/ui/prompts/{id:int}", self.show_entry),
            Route(
                "/workspace/{workspace:int}/prompt/{id:int}", self.show_entry
            ),  # links lead there
            Route("/ui/prompts/{id:int}/{act}", self.change_entry, methods=["POST"]),
        ]

    async def show_home(self, request: Request) -> Response:
        sought = request.query_params.get("name", "")
        with self._registry.lock:
            entries = [e for e in self._registry.entries.values() if not e.deleted]
            found = sorted((e for e in entries if sought in e.name), key=lambda e: e.name)
        return self._page(
            request,
            "home.html",
            entries=found[:MAX_SHOWN_PROMPTS],
            found=len(found),
            total=len(entries),
            sought=sought,
            protected=sorted(self._registry.protected),
        )

    async def show_new_form(self, request: Request) -> Response:
        blank = [PromptFormRow("system", ""), PromptFormRow("user", "")]
        return self._page(request, "new.html", rows=blank, model=build_model_fields(None))

    async def show_entry(self, request: Request) -> Response:
        try:
            entry = self._registry.find_entry(request.path_params["id"])
        except NotFoundError as error:
            return self._failed(request, error, 404)
        return self._show(request, entry)

    def _show(self, request: Request, entry: RegistryEntry) -> Response:
        plain, latest = build_form_rows(entry.latest.template), entry.latest
        spare = (
            [PromptFormRow("user", "")] * EMPTY_ROWS if latest.template["type"] == "chat" else []
        )
        return self._page(
            request,
            "prompt.html",
            entry=entry,
            rows=None if plain is None else plain + spare,
            model=build_model_fields(latest),
            template=json.dumps(latest.template, indent=2, ensure_ascii=False),
            protected=self._registry.protected,
        )

    async def create(self, request: Request) -> Response:
        return await self._changing(request, self._create)

    async def change_entry(self, request: Request) -> Response:
        return await self._changing(request, self._change)

    async def protect(self, request: Request) -> Response:
        return await self._changing(request, self._protect)

    async def act_as(self, request: Request) -> Response:
        return await self._changing(request, self._act_as)

    async def _changing(
        self, request: Request, change: Callable[[Request, PromptFormFields], Response]
    ) -> Response:
        try:
            return change(request, await self._form(request))
        except BridgeError as error:
            return self._failed(request, error, 422)

    async def _form(self, request: Request) -> PromptFormFields:
        sent = await request.body()
        form = dict(parse_qsl(sent.decode(errors="replace"), keep_blank_values=True))
        if not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            raise ForbiddenError(
                "This form is from before a restart: reload the page and try again."
            )
        return form

    def _create(self, request: Request, form: PromptFormFields) -> Response:
        version = self._registry.save_version(
            form.get("name", ""),
            apply_form_to_template(None, form),
            metadata=apply_form_to_metadata(None, form),
            commit_message=form.get("commit_message") or None,
            tags=form.get("tags", "").split(),
            labels=form.get("labels", "").split(),
            actor=_actor(request),
        )
        return _to(f"/ui/prompts/{version.prompt_id}")

    def _change(self, request: Request, form: PromptFormFields) -> Response:
        act = self._acts.get(request.path_params["act"])
        if act is None:
            raise NotFoundError("There is no such form.")
        with self._registry.lock:
            entry = self._registry.find_entry(request.path_params["id"])
            act(entry, form, _actor(request))
        return _to("/" if entry.deleted else f"/ui/prompts/{entry.id}")

    def _protect(self, _: Request, form: PromptFormFields) -> Response:
        label = form.get("label", "").strip()
        if label in self._registry.protected:
            self._registry.protected.discard(label)
        elif label:
            self._registry.protect_label(label)
        return _to("/")

    def _act_as(self, _: Request, form: PromptFormFields) -> Response:
        answer = _to("/")
        whom = urlencode({"name": form.get("name", ""), "email": form.get("email", "")})
        answer.set_cookie(_ACTOR, whom, httponly=True, samesite="strict")
        return answer

    def _save(self, entry: RegistryEntry, form: PromptFormFields, actor: EventUser) -> None:
        latest: RegistryVersion = entry.latest
        metadata = (
            latest.metadata if "template" in form else apply_form_to_metadata(latest.metadata, form)
        )
        self._registry.save_version(
            entry.name,
            apply_form_to_template(latest.template, form),
            metadata=metadata,
            commit_message=form.get("commit_message") or None,
            extra=latest.extra,
            actor=actor,
        )

    def _move_label(self, entry: RegistryEntry, form: PromptFormFields, actor: EventUser) -> None:
        label, version = form.get("label", "").strip(), _number(form.get("version", ""))
        if label in self._registry.protected and label in entry.labels:
            self._registry.request_label(entry.id, label, version=version, actor=actor)
        else:
            self._registry.move_label(entry.id, label, version, actor=actor)

    def _delete_label(self, entry: RegistryEntry, form: PromptFormFields, actor: EventUser) -> None:
        label = form.get("label", "")
        if label in self._registry.protected:
            self._registry.request_label(entry.id, label, "deletion", actor=actor)
        else:
            self._registry.delete_label(entry.id, label, actor=actor)

    def _failed(self, request: Request, error: BridgeError, status: int) -> Response:
        return self._page(request, "error.html", status, reason=str(error))

    def _page(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        nonce = secrets.token_urlsafe(12)
        html = self._pages.get_template(name).render(
            nonce=nonce,
            token=self._token,
            actor=_actor(request),
            roles=ROLES,
            webhooks=list(self._webhooks.sent)[: -MAX_SHOWN_WEBHOOKS - 1 : -1],
            **values,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return HTMLResponse(html, status, headers)


def _actor(request: Request) -> EventUser:
    whom = dict(parse_qsl(request.cookies.get(_ACTOR, "")))
    return (
        EventUser(DEFAULT_EDITOR.id, whom.get("name"), whom["email"])
        if "email" in whom
        else DEFAULT_EDITOR
    )


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) < 10):
        raise RequestRefusedError("The version should be a number.")
    return int(text)


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)
