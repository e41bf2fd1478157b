"""Parse PromptLayer's webhooks into typed events: all 20 documented types.

An event has names and numbers and no content: it only says which prompt changed. Undocumented
fields are ignored; documented ones are required, with their type.
https://docs.promptlayer.com/features/prompt-registry/webhook-events
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.errors import MalformedPayloadError
from bridge.prompts.prompt import JsonObject

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_MAX_INTEGER = 2**63 - 1  # what databases hold


def _aware(value: Any) -> datetime:
    """The timestamp as UTC; PromptLayer's have no zone."""
    if not isinstance(value, str):
        raise ValueError("should be an ISO 8601 timestamp")
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be an ISO 8601 timestamp") from None


PositiveInteger = Annotated[int, Field(ge=1, le=_MAX_INTEGER)]
NonNegativeInteger = Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
ShortText = Annotated[str, Field(min_length=1, max_length=512)]
LongText = Annotated[str, Field(max_length=10_000)]
Timestamp = Annotated[datetime, BeforeValidator(_aware)]


class _DocumentedModel(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


@dataclass(frozen=True)
class EventUser:
    """The user who caused an event. All three fields may be None, for example for a change by
    API."""

    id: int | None
    name: str | None
    email: str | None


class WebhookEvent(_DocumentedModel):
    """The fields that all documented events share."""

    type: Annotated[str, Field(alias="event_type")]
    workspace_id: PositiveInteger
    timestamp: Timestamp  # aware, UTC
    user_id: NonNegativeInteger | None = None
    user_name: LongText | None = None
    user_email: LongText | None = None

    @property
    def user(self) -> EventUser:
        return EventUser(self.user_id, self.user_name, self.user_email)


@dataclass(frozen=True)
class UnknownWebhookEvent:
    """An event of an undocumented type, unparsed."""

    type: str
    payload: JsonObject


class PromptDetails(_DocumentedModel):
    """The details of events about a prompt; each type requires its own fields."""

    prompt_id: PositiveInteger = Field(alias="prompt_template_id")
    prompt_name: ShortText = Field(alias="prompt_template_name")
    version: PositiveInteger | None = Field(default=None, alias="prompt_template_version_number")
    label: ShortText | None = Field(default=None, alias="prompt_template_label")
    old_name: ShortText | None = Field(default=None, alias="old_prompt_template_name")
    old_version: PositiveInteger | None = Field(
        default=None, alias="old_prompt_template_version_number"
    )
    change_type: ShortText | None = None  # "move" or "deletion"


class VersionDetails(PromptDetails):
    version: PositiveInteger = Field(alias="prompt_template_version_number")


class NameDetails(PromptDetails):
    old_name: ShortText = Field(alias="old_prompt_template_name")


class LabelDetails(VersionDetails):
    label: ShortText = Field(alias="prompt_template_label")


class LabelMoveDetails(LabelDetails):
    old_version: PositiveInteger = Field(alias="old_prompt_template_version_number")


class LabelChangeRequestDetails(PromptDetails):
    """A change of a protected label. It never has the version."""

    label: ShortText = Field(alias="prompt_template_label")
    change_type: ShortText


class AgentRunDetails(_DocumentedModel):
    agent_name: LongText
    agent_id: PositiveInteger
    agent_execution_id: PositiveInteger


class ReportDetails(_DocumentedModel):
    report_id: PositiveInteger
    report_name: LongText


class DatasetDetails(_DocumentedModel):
    dataset_id: PositiveInteger
    dataset_version_number: PositiveInteger


class DatasetFilterDetails(DatasetDetails):
    rows_added: NonNegativeInteger


class DatasetFailureDetails(_DocumentedModel):
    dataset_id: PositiveInteger | None = None  # absent before 2026-05
    error_message: LongText


class TableDetails(_DocumentedModel):
    operation_id: LongText
    table_id: LongText
    sheet_id: LongText
    source: LongText


class TableRowsDetails(TableDetails):
    rows_added: NonNegativeInteger
    row_count: NonNegativeInteger


class TableFileDetails(TableRowsDetails):
    file_name: LongText


class SheetCreationFailureDetails(TableDetails):
    error_message: LongText


class TableFileFailureDetails(SheetCreationFailureDetails):
    file_name: LongText


class SkillDetails(_DocumentedModel):
    skill_collection_id: LongText
    source: LongText
    affected_paths: list[LongText]
    version_number: PositiveInteger | None = None


class PromptEvent(WebhookEvent):
    """An event about a prompt, the kind that the bridge acts on."""

    details: PromptDetails

    @property
    def prompt_id(self) -> int:
        return self.details.prompt_id

    @property
    def prompt_name(self) -> str:
        """The name after the event. Untrusted text."""
        return self.details.prompt_name

    @property
    def version(self) -> int | None:
        return self.details.version

    @property
    def label(self) -> str | None:
        return self.details.label

    @property
    def old_name(self) -> str | None:
        return self.details.old_name

    @property
    def old_version(self) -> int | None:
        return self.details.old_version

    @property
    def change_type(self) -> str | None:
        """Of a change to a protected label: ``move`` or ``deletion``."""
        return self.details.change_type


class VersionEvent(PromptEvent):
    details: VersionDetails


class NameEvent(PromptEvent):
    details: NameDetails


class LabelEvent(PromptEvent):
    details: LabelDetails


class LabelMoveEvent(LabelEvent):
    details: LabelMoveDetails


class LabelChangeRequestEvent(PromptEvent):
    details: LabelChangeRequestDetails


class AgentRunEvent(WebhookEvent):
    details: AgentRunDetails


class ReportEvent(WebhookEvent):
    details: ReportDetails


class DatasetEvent(WebhookEvent):
    details: DatasetDetails


class DatasetFilterEvent(WebhookEvent):
    details: DatasetFilterDetails


class DatasetFailureEvent(WebhookEvent):
    details: DatasetFailureDetails


class TableRowsEvent(WebhookEvent):
    details: TableRowsDetails


class TableFileEvent(WebhookEvent):
    details: TableFileDetails


class SheetCreationFailureEvent(WebhookEvent):
    details: SheetCreationFailureDetails


class TableFileFailureEvent(WebhookEvent):
    details: TableFileFailureDetails


class SkillEvent(WebhookEvent):
    details: SkillDetails


DOCUMENTED_EVENTS: dict[str, type[WebhookEvent]] = {
    "prompt_template_version_created": VersionEvent,
    "prompt_template_name_changed": NameEvent,
    "prompt_template_deleted": PromptEvent,
    "prompt_template_label_created": LabelEvent,
    "prompt_template_label_deleted": LabelEvent,
    "prompt_template_label_moved": LabelMoveEvent,
    "prompt_template_label_change_requested": LabelChangeRequestEvent,
    "prompt_template_label_change_approved": LabelChangeRequestEvent,
    "prompt_template_label_change_denied": LabelChangeRequestEvent,
    "prompt_template_updated": VersionEvent,
    "agent_run_finished": AgentRunEvent,
    "report_finished": ReportEvent,
    "dataset_version_created_by_file": DatasetEvent,
    "dataset_version_created_by_file_failed": DatasetFailureEvent,
    "dataset_version_created_from_filter_params": DatasetFilterEvent,
    "table_sheet_created_from_file": TableFileEvent,
    "table_sheet_created_from_file_failed": TableFileFailureEvent,
    "table_sheet_created_from_request_history": TableRowsEvent,
    "table_sheet_created_from_request_history_failed": SheetCreationFailureEvent,
    "skill_collection_files_changed": SkillEvent,
}


def parse_event(payload: JsonObject) -> WebhookEvent | UnknownWebhookEvent:
    """The event in a verified payload. Raises MalformedPayloadError, with the field, when a
    documented event lacks a documented field or has another type there."""
    event_type = payload.get("event_type")
    if not isinstance(event_type, str) or not 1 <= len(event_type) <= 200:
        raise MalformedPayloadError(
            "The delivery's event_type should be a string of 1 to 200 characters."
        )
    model = DOCUMENTED_EVENTS.get(event_type)
    if model is None:
        return UnknownWebhookEvent(event_type, payload)
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise MalformedPayloadError(
            f"The {event_type} event is malformed: {_reason(error)}."
        ) from None


def _reason(error: ValidationError) -> str:
    """The first mistake: its field and what was expected, never the given value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{field}: {expected[:1].lower()}{expected[1:]}"


def needs_dispatch(event: WebhookEvent | UnknownWebhookEvent) -> bool:
    """Whether the bridge reconciles a prompt or polls an evaluation because of this event; all
    others are only recorded."""
    return isinstance(event, PromptEvent | AgentRunEvent | ReportEvent)


def check_age(event: WebhookEvent | UnknownWebhookEvent, now: datetime, window: timedelta) -> None:
    """Raise MalformedPayloadError when the event's time is further than ``window`` from ``now``
    (aware), before or after. The signature covers the time, so it cannot be changed in a replay."""
    if isinstance(event, WebhookEvent) and abs(now - event.timestamp) > window:
        raise MalformedPayloadError(
            f"The delivery is dated {event.timestamp:%Y-%m-%d %H:%M:%S} UTC, more than {window} "
            "from now. If it is no replay, widen the replay window or set the clock."
        )


def compute_delivery_id(payload: JsonObject) -> str:
    """The id of a delivery: SHA-256 (hex) over its content, independent of the JSON's spelling."""
    return hashlib.sha256(_CANONICAL(payload).encode("ascii")).hexdigest()
