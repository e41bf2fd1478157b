"""A page for the stand-in: edit prompts and labels as somebody would in PromptLayer.

For one person on their own machine. It has no login, so it changes something only when its own
forms ask, which carry a token that no other site can read.
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

from bridge.errors import BridgeError, Forbidden, NotFound, Refused
from bridge.promptlayer.events import User
from bridge.sandbox.editing import (
    ROLES,
    SPARE_ROWS,
    Form,
    Row,
    edited_metadata,
    edited_template,
    model_fields,
    rows,
)
from bridge.sandbox.entries import ADA, Entry, Version
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks

TEMPLATES = Path(__file__).parent / "templates" / "promptlayer"
SHOWN_PROMPTS = 200
SHOWN_WEBHOOKS = 15
_ACTOR = "actor"  # the cookie that says who is acting

Act = Callable[[Entry, Form, User], None]


class RegistryPage:
    def __init__(self, registry: Registry, webhooks: Webhooks) -> None:
        self._registry = registry
        self._webhooks = webhooks
        self._token = secrets.token_urlsafe(16)
        self._pages = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._acts: dict[str, Act] = {
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

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/ui/new", self.new),
            Route("/ui/new", self.create, methods=["POST"]),
            Route("/ui/actor", self.act_as, methods=["POST"]),
            Route("/ui/protect", self.protect, methods=["POST"]),
            Route("/ui/prompts/{id:int}", self.show),
            Route("/workspace/{workspace:int}/prompt/{id:int}", self.show),  # links lead there
            Route("/ui/prompts/{id:int}/{act}", self.change, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        sought = request.query_params.get("name", "")
        with self._registry.lock:
            entries = [e for e in self._registry.entries.values() if not e.deleted]
            found = sorted((e for e in entries if sought in e.name), key=lambda e: e.name)
        return self._page(
            request,
            "home.html",
            entries=found[:SHOWN_PROMPTS],
            found=len(found),
            total=len(entries),
            sought=sought,
            protected=sorted(self._registry.protected),
        )

    async def new(self, request: Request) -> Response:
        blank = [Row("system", ""), Row("user", "")]
        return self._page(request, "new.html", rows=blank, model=model_fields(None))

    async def show(self, request: Request) -> Response:
        try:
            entry = self._registry.entry(request.path_params["id"])
        except NotFound as error:
            return self._failed(request, error, 404)
        return self._show(request, entry)

    def _show(self, request: Request, entry: Entry) -> Response:
        plain, latest = rows(entry.latest.template), entry.latest
        spare = [Row("user", "")] * SPARE_ROWS if latest.template["type"] == "chat" else []
        return self._page(
            request,
            "prompt.html",
            entry=entry,
            rows=None if plain is None else plain + spare,
            model=model_fields(latest),
            template=json.dumps(latest.template, indent=2, ensure_ascii=False),
            protected=self._registry.protected,
        )

    async def create(self, request: Request) -> Response:
        return await self._changing(request, self._create)

    async def change(self, request: Request) -> Response:
        return await self._changing(request, self._change)

    async def protect(self, request: Request) -> Response:
        return await self._changing(request, self._protect)

    async def act_as(self, request: Request) -> Response:
        return await self._changing(request, self._act_as)

    async def _changing(
        self, request: Request, change: Callable[[Request, Form], Response]
    ) -> Response:
        try:
            return change(request, await self._form(request))
        except BridgeError as error:
            return self._failed(request, error, 422)

    async def _form(self, request: Request) -> Form:
        sent = await request.body()
        form = dict(parse_qsl(sent.decode(errors="replace"), keep_blank_values=True))
        if not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            raise Forbidden("This form is from before a restart: reload the page and try again.")
        return form

    def _create(self, request: Request, form: Form) -> Response:
        version = self._registry.save(
            form.get("name", ""),
            edited_template(None, form),
            metadata=edited_metadata(None, form),
            commit_message=form.get("commit_message") or None,
            tags=form.get("tags", "").split(),
            labels=form.get("labels", "").split(),
            actor=_actor(request),
        )
        return _to(f"/ui/prompts/{version.prompt_id}")

    def _change(self, request: Request, form: Form) -> Response:
        act = self._acts.get(request.path_params["act"])
        if act is None:
            raise NotFound("There is no such form.")
        with self._registry.lock:
            entry = self._registry.entry(request.path_params["id"])
            act(entry, form, _actor(request))
        return _to("/" if entry.deleted else f"/ui/prompts/{entry.id}")

    def _protect(self, _: Request, form: Form) -> Response:
        label = form.get("label", "").strip()
        if label in self._registry.protected:
            self._registry.protected.discard(label)
        elif label:
            self._registry.protect(label)
        return _to("/")

    def _act_as(self, _: Request, form: Form) -> Response:
        answer = _to("/")
        whom = urlencode({"name": form.get("name", ""), "email": form.get("email", "")})
        answer.set_cookie(_ACTOR, whom, httponly=True, samesite="strict")
        return answer

    def _save(self, entry: Entry, form: Form, actor: User) -> None:
        latest: Version = entry.latest
        metadata = latest.metadata if "template" in form else edited_metadata(latest.metadata, form)
        self._registry.save(
            entry.name,
            edited_template(latest.template, form),
            metadata=metadata,
            commit_message=form.get("commit_message") or None,
            extra=latest.extra,
            actor=actor,
        )

    def _move_label(self, entry: Entry, form: Form, actor: User) -> None:
        label, version = form.get("label", "").strip(), _number(form.get("version", ""))
        if label in self._registry.protected and label in entry.labels:
            self._registry.request_label(entry.id, label, version=version, actor=actor)
        else:
            self._registry.move_label(entry.id, label, version, actor=actor)

    def _delete_label(self, entry: Entry, form: Form, actor: User) -> None:
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
            webhooks=list(self._webhooks.sent)[: -SHOWN_WEBHOOKS - 1 : -1],
            **values,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return HTMLResponse(html, status, headers)


def _actor(request: Request) -> User:
    whom = dict(parse_qsl(request.cookies.get(_ACTOR, "")))
    return User(ADA.id, whom.get("name"), whom["email"]) if "email" in whom else ADA


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) < 10):
        raise Refused("The version should be a number.")
    return int(text)


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)
