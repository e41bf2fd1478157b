"""What PromptLayer's webhooks say, as typed values: all 20 documented event types.

An event carries names and numbers only, no content: it says "look at this prompt". Fields that are
not documented are tolerated, documented ones have to be there with their type.
https://docs.promptlayer.com/features/prompt-registry/webhook-events
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.errors import Malformed
from bridge.prompts.prompt import JsonObject

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_MAX_INTEGER = 2**63 - 1  # what databases hold


def _aware(value: Any) -> datetime:
    """PromptLayer's timestamps carry no zone; they are taken as UTC."""
    if not isinstance(value, str):
        raise ValueError("should be an ISO 8601 timestamp")
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be an ISO 8601 timestamp") from None


Id = Annotated[int, Field(ge=1, le=_MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
Name = Annotated[str, Field(min_length=1, max_length=512)]
Text = Annotated[str, Field(max_length=10_000)]
Timestamp = Annotated[datetime, BeforeValidator(_aware)]


class _Documented(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


@dataclass(frozen=True)
class User:
    """Who did it. All three may be unknown, for example for a change made by API."""

    id: int | None
    name: str | None
    email: str | None


class Event(_Documented):
    """The envelope that all documented events share."""

    type: Annotated[str, Field(alias="event_type")]
    workspace_id: Id
    timestamp: Timestamp  # aware, UTC
    user_id: Count | None = None
    user_name: Text | None = None
    user_email: Text | None = None

    @property
    def user(self) -> User:
        return User(self.user_id, self.user_name, self.user_email)


@dataclass(frozen=True)
class UnknownEvent:
    """An event of a type that is not documented, as it came."""

    type: str
    payload: JsonObject


class PromptDetails(_Documented):
    """What the events about a prompt tell; each type makes its own fields required."""

    prompt_id: Id = Field(alias="prompt_template_id")
    prompt_name: Name = Field(alias="prompt_template_name")
    version: Id | None = Field(default=None, alias="prompt_template_version_number")
    label: Name | None = Field(default=None, alias="prompt_template_label")
    old_name: Name | None = Field(default=None, alias="old_prompt_template_name")
    old_version: Id | None = Field(default=None, alias="old_prompt_template_version_number")
    change_type: Name | None = None  # "move" or "deletion"


class VersionDetails(PromptDetails):
    version: Id = Field(alias="prompt_template_version_number")


class NameDetails(PromptDetails):
    old_name: Name = Field(alias="old_prompt_template_name")


class LabelDetails(VersionDetails):
    label: Name = Field(alias="prompt_template_label")


class LabelMoveDetails(LabelDetails):
    old_version: Id = Field(alias="old_prompt_template_version_number")


class LabelChangeDetails(PromptDetails):
    """A change to a protected label. It never says which version."""

    label: Name = Field(alias="prompt_template_label")
    change_type: Name


class AgentRunDetails(_Documented):
    agent_name: Text
    agent_id: Id
    agent_execution_id: Id


class ReportDetails(_Documented):
    report_id: Id
    report_name: Text


class DatasetDetails(_Documented):
    dataset_id: Id
    dataset_version_number: Id


class DatasetFilterDetails(DatasetDetails):
    rows_added: Count


class DatasetFailureDetails(_Documented):
    dataset_id: Id | None = None  # absent before 2026-05
    error_message: Text


class TableDetails(_Documented):
    operation_id: Text
    table_id: Text
    sheet_id: Text
    source: Text


class TableRowsDetails(TableDetails):
    rows_added: Count
    row_count: Count


class TableFileDetails(TableRowsDetails):
    file_name: Text


class TableFailureDetails(TableDetails):
    error_message: Text


class TableFileFailureDetails(TableFailureDetails):
    file_name: Text


class SkillDetails(_Documented):
    skill_collection_id: Text
    source: Text
    affected_paths: list[Text]
    version_number: Id | None = None


class PromptEvent(Event):
    """An event about a prompt: the ones the bridge acts on."""

    details: PromptDetails

    @property
    def prompt_id(self) -> int:
        return self.details.prompt_id

    @property
    def prompt_name(self) -> str:
        """The name after the event. Hostile until shown otherwise."""
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
        """For a change to a protected label: ``move`` or ``deletion``."""
        return self.details.change_type


class VersionEvent(PromptEvent):
    details: VersionDetails


class NameEvent(PromptEvent):
    details: NameDetails


class LabelEvent(PromptEvent):
    details: LabelDetails


class LabelMoveEvent(LabelEvent):
    details: LabelMoveDetails


class LabelChangeEvent(PromptEvent):
    details: LabelChangeDetails


class AgentRunEvent(Event):
    details: AgentRunDetails


class ReportEvent(Event):
    details: ReportDetails


class DatasetEvent(Event):
    details: DatasetDetails


class DatasetFilterEvent(Event):
    details: DatasetFilterDetails


class DatasetFailureEvent(Event):
    details: DatasetFailureDetails


class TableRowsEvent(Event):
    details: TableRowsDetails


class TableFileEvent(Event):
    details: TableFileDetails


class TableFailureEvent(Event):
    details: TableFailureDetails


class TableFileFailureEvent(Event):
    details: TableFileFailureDetails


class SkillEvent(Event):
    details: SkillDetails


DOCUMENTED: dict[str, type[Event]] = {
    "prompt_template_version_created": VersionEvent,
    "prompt_template_name_changed": NameEvent,
    "prompt_template_deleted": PromptEvent,
    "prompt_template_label_created": LabelEvent,
    "prompt_template_label_deleted": LabelEvent,
    "prompt_template_label_moved": LabelMoveEvent,
    "prompt_template_label_change_requested": LabelChangeEvent,
    "prompt_template_label_change_approved": LabelChangeEvent,
    "prompt_template_label_change_denied": LabelChangeEvent,
    "prompt_template_updated": VersionEvent,
    "agent_run_finished": AgentRunEvent,
    "report_finished": ReportEvent,
    "dataset_version_created_by_file": DatasetEvent,
    "dataset_version_created_by_file_failed": DatasetFailureEvent,
    "dataset_version_created_from_filter_params": DatasetFilterEvent,
    "table_sheet_created_from_file": TableFileEvent,
    "table_sheet_created_from_file_failed": TableFileFailureEvent,
    "table_sheet_created_from_request_history": TableRowsEvent,
    "table_sheet_created_from_request_history_failed": TableFailureEvent,
    "skill_collection_files_changed": SkillEvent,
}


def parse(payload: JsonObject) -> Event | UnknownEvent:
    """The event a verified payload describes. Raises Malformed, naming the field, when a
    documented event lacks a documented field or gives it another type."""
    event_type = payload.get("event_type")
    if not isinstance(event_type, str) or not 1 <= len(event_type) <= 200:
        raise Malformed("The delivery's event_type should be a string of 1 to 200 characters.")
    model = DOCUMENTED.get(event_type)
    if model is None:
        return UnknownEvent(event_type, payload)
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise Malformed(f"The {event_type} event is malformed: {_reason(error)}.") from None


def _reason(error: ValidationError) -> str:
    """The first mistake: its field and what was expected, never the value that was given."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{field}: {expected[:1].lower()}{expected[1:]}"


def acts(event: Event | UnknownEvent) -> bool:
    """Whether the bridge looks at a prompt because of this event; all others are only recorded."""
    return isinstance(event, PromptEvent)


def check_age(event: Event | UnknownEvent, now: datetime, window: timedelta) -> None:
    """Raise Malformed when the event is dated further than ``window`` from ``now`` (aware), before
    or after. The signature covers the date, so an old delivery cannot be made young again."""
    if isinstance(event, Event) and abs(now - event.timestamp) > window:
        raise Malformed(
            f"The delivery is dated {event.timestamp:%Y-%m-%d %H:%M:%S} UTC, more than {window} "
            "from now. If it is no replay, widen the replay window or set the clock."
        )


def digest(payload: JsonObject) -> str:
    """A delivery's identity: SHA-256 (hex) over its content, however it was spelled."""
    return hashlib.sha256(_CANONICAL(payload).encode("ascii")).hexdigest()
