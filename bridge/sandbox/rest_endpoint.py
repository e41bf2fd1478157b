"""What all REST endpoints of the stand-in share: the key, JSON in and out, errors as statuses."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import (
    AlreadyExistsError,
    BridgeError,
    ForbiddenError,
    MalformedPayloadError,
    NotFoundError,
    RequestRefusedError,
    UnauthorizedError,
)
from bridge.prompts.prompt import JsonObject

EndpointAction = Callable[[Request, JsonObject], Response]
AsgiEndpoint = Callable[[Request], Awaitable[Response]]

_STATUSES: list[tuple[type[BridgeError], int]] = [
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (AlreadyExistsError, 409),
    (RequestRefusedError, 422),
    (MalformedPayloadError, 400),
]


def create_endpoint(
    action: EndpointAction, api_key: str, *, key_in_body: bool = False
) -> AsgiEndpoint:
    """An endpoint that calls ``action`` with the request and its JSON body ({} without one).
    ``key_in_body`` says that the body may carry the key instead of the header."""

    async def answer(request: Request) -> Response:
        try:
            given = request.headers.get("X-API-KEY")
            if key_in_body and given is None:
                given = str((await _body(request)).get("api_key"))
            _check_key(given or "", api_key)
            return action(request, await _body(request))
        except BridgeError as error:
            return build_error_response(error)

    return answer


def build_error_response(error: BridgeError) -> JSONResponse:
    status = next(status for family, status in _STATUSES if isinstance(error, family))
    if status == 422:
        detail = [{"loc": ["body"], "msg": str(error), "type": "value_error"}]
        return JSONResponse({"detail": detail}, status)
    return JSONResponse({"success": False, "message": str(error)}, status)


def get_number_parameter(request: Request, name: str) -> int | None:
    """A query parameter that is a number from 1, if it is there."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value)):
        raise RequestRefusedError(f"{name}: Input should be a valid integer greater than 0")
    return int(value)


def get_flag_parameter(request: Request, name: str) -> bool | None:
    """A query parameter that is true or false, if it is there."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false", "1", "0"):
        raise RequestRefusedError(f"{name}: Input should be a valid boolean")
    return value.lower() in ("true", "1")


def get_integer_field(body: JsonObject, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestRefusedError(f"{name}: Input should be a valid integer")
    return value


def _check_key(given: str, api_key: str) -> None:
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise UnauthorizedError("Invalid API key. Please check your API key and try again.")


async def _body(request: Request) -> JsonObject:
    content = await request.body()
    if not content:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise RequestRefusedError("Input should be valid JSON") from None
    if not isinstance(body, dict):
        raise RequestRefusedError("Input should be an object")
    return body
