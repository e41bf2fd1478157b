"""The calls by which PromptLayer's SDKs log: what they are answered, and which ids they name.

https://docs.promptlayer.com/reference/log-request, and ``promptlayer`` 1.5.16, ``utils.py``
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.errors import MalformedPayloadError
from bridge.prompts.prompt import Json, JsonObject

_OWN_ID = re.compile(r"pb_[0-9a-f]{32}")
_LONGEST_ID = 100  # characters
_REFERENCES = ("request_id", "group_id")


@dataclass(frozen=True)
class LogCall:
    """One path. ``made`` is the field of the answer with the id of what the call makes; a call
    without it is about something that was logged before."""

    made: str | None = None
    status: int = 200
    has_key: bool = True  # the key belongs into the body

    def build_answer(self, path: str, id: str, content: JsonObject) -> JsonObject:
        """What the application is answered before PromptLayer was asked."""
        if self.status == 201:
            status = content.get("status") if isinstance(content.get("status"), str) else "SUCCESS"
            rest = {"error_type": content.get("error_type"), "error_message": None}
            return {"id": id, "prompt_version": None, "status": status, **rest}
        if path == "/track-request":
            return {
                "success": True,
                "request_id": id,
                "prompt_blueprint": None,
                "message": "The bridge delivers it to PromptLayer.",
            }
        made = {self.made: id} if self.made else {"message": "The bridge delivers it."}
        return {"success": True, **made}


LOG_CALLS: Mapping[str, LogCall] = {
    "/track-request": LogCall("request_id"),
    "/log-request": LogCall("id", status=201, has_key=False),
    "/create-group": LogCall("id"),
    "/track-group": LogCall(),
    "/library-track-prompt": LogCall(),
    "/library-track-metadata": LogCall(),
    "/library-track-score": LogCall(),
    "/rest/track-group": LogCall(has_key=False),
    "/rest/track-prompt": LogCall(has_key=False),
    "/rest/track-metadata": LogCall(has_key=False),
    "/rest/track-score": LogCall(has_key=False),
}


def generate_id() -> str:
    """An id of the bridge's own, for a thing that PromptLayer has not made yet."""
    return f"pb_{uuid.uuid4().hex}"


def find_own_ids(content: JsonObject) -> frozenset[str]:
    """The ids in a call that the bridge gave out, and not PromptLayer."""
    return frozenset(_list_own_ids(content))


def _list_own_ids(content: JsonObject) -> Iterator[str]:
    for name in _REFERENCES:
        value = content.get(name)
        if isinstance(value, str) and _OWN_ID.fullmatch(value):
            yield value


def find_subject(call: LogCall, id: str, source: str, content: JsonObject) -> str:
    """What a call is about: what it makes, or the request that it names."""
    named = content.get("request_id")
    if call.made is not None or not isinstance(named, str | int):
        return id
    if isinstance(named, str) and _OWN_ID.fullmatch(named):
        return named
    return f"{source} {ascii(named)[:_LONGEST_ID]}"


def dump_call(content: JsonObject) -> str:
    """A call as JSON, in ASCII. Raises MalformedPayloadError for a number beyond all bounds, which
    JSON has not."""
    try:
        return json.dumps(content, allow_nan=False)
    except ValueError:
        raise MalformedPayloadError("The body has a number that cannot be passed on.") from None


def build_delivered_body(
    path: str, content: JsonObject, ids: Mapping[str, Json], api_key: str
) -> bytes:
    """The call as PromptLayer gets it: its own ids in place of the bridge's, and the bridge's
    key where the call has one."""
    replaced = {
        name: ids[value]
        for name in _REFERENCES
        if isinstance(value := content.get(name), str) and value in ids
    }
    key = {"api_key": api_key} if LOG_CALLS[path].has_key else {}
    return dump_call({**content, **replaced, **key}).encode()


def describe_refusal(path: str, status: int, answer: Json) -> str:
    """Why PromptLayer did not take a call, in words that hold nothing of the call: PromptLayer's
    own words may quote it."""
    fields = sorted({name for name in _list_refused_fields(answer) if name.isidentifier()})
    where = f" ({', '.join(fields)})" if fields else ""
    return f"PromptLayer refused {path} with {status}{where}"


def _list_refused_fields(answer: Json) -> Iterator[str]:
    """The outermost fields that FastAPI's form of an error names: ``body``, then the field."""
    details = answer.get("detail") if isinstance(answer, dict) else None
    for detail in details if isinstance(details, list) else ():
        place = detail.get("loc") if isinstance(detail, dict) else None
        if isinstance(place, list) and place[:1] == ["body"] and len(place) > 1:
            yield str(place[1])[:40]
