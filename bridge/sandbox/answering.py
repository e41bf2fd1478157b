"""What all REST endpoints of the stand-in share: the key, JSON in and out, errors as statuses."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import (
    AlreadyExists,
    BridgeError,
    Forbidden,
    Malformed,
    NotFound,
    Refused,
    Unauthorized,
)
from bridge.prompts.prompt import JsonObject

Action = Callable[[Request, JsonObject], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

_STATUSES: list[tuple[type[BridgeError], int]] = [
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (AlreadyExists, 409),
    (Refused, 422),
    (Malformed, 400),
]


def endpoint(action: Action, api_key: str) -> Endpoint:
    """An endpoint that calls ``action`` with the request and its JSON body ({} without one)."""

    async def answer(request: Request) -> Response:
        try:
            _check_key(request, api_key)
            return action(request, await _body(request))
        except BridgeError as error:
            return refusal(error)

    return answer


def refusal(error: BridgeError) -> JSONResponse:
    status = next(status for family, status in _STATUSES if isinstance(error, family))
    if status == 422:
        detail = [{"loc": ["body"], "msg": str(error), "type": "value_error"}]
        return JSONResponse({"detail": detail}, status)
    return JSONResponse({"success": False, "message": str(error)}, status)


def number(request: Request, name: str) -> int | None:
    """A query parameter that is a number from 1, if it is there."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value)):
        raise Refused(f"{name}: Input should be a valid integer greater than 0")
    return int(value)


def flag(request: Request, name: str) -> bool | None:
    """A query parameter that is true or false, if it is there."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false", "1", "0"):
        raise Refused(f"{name}: Input should be a valid boolean")
    return value.lower() in ("true", "1")


def integer(body: JsonObject, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"{name}: Input should be a valid integer")
    return value


def _check_key(request: Request, api_key: str) -> None:
    given = request.headers.get("X-API-KEY", "")
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise Unauthorized("Invalid API key. Please check your API key and try again.")


async def _body(request: Request) -> JsonObject:
    content = await request.body()
    if not content:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise Refused("Input should be valid JSON") from None
    if not isinstance(body, dict):
        raise Refused("Input should be an object")
    return body
