"""Books as a busy afternoon leaves them: every state once or more, and the way of one prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.side_difference import ConflictingPart, SideDifference
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.pull_request.prompt_diff import SettingChange, TextChange
from bridge.prompts.target import Proposal, Target
from bridge.status.history_events import (
    HistoryEvent,
    HistoryEventKind,
    index_by_event_id,
    store_history_events,
)
from bridge.status.target_differences import record_differences
from bridge.status.target_status import IdentifiedEvent, ReconcileResult, TargetStatus
from bridge.status.target_status_store import TargetStatusStore
from bridge.web.followed_mapping import FollowedMapping
from tests.integration.dashboard.dashboard_browser import DashboardEnvironment
from tests.integration.sample_deliveries import delivery_of, version_created

MAPPING = "support"
BRANCH = "promptlayer/support/latest/17"
URL = "https://forge.example/acme/bot/pull/12"
REASONS = {
    TargetState.IN_STEP: "both sides hold the same",
    TargetState.WAITING: "a look is due",
    TargetState.OPEN: "version 9 is proposed",
    TargetState.DECLINED: "this content was declined",
    TargetState.PERSON: "the repository is ahead",
    TargetState.PARKED: "the prompt holds what looks like a secret",
    TargetState.CONFLICT: "both sides changed the same part",
    TargetState.NOT_FOLLOWED: "mapping support no longer follows it (prompts: supprt/**)",
}


def entry(
    environment: DashboardEnvironment,
    number: int,
    state: TargetState,
    name: str,
    label: str = "latest",
) -> TargetStatus:
    then = environment.clock.now - timedelta(minutes=7 * number)
    opened = state in (TargetState.OPEN, TargetState.DECLINED)
    return TargetStatus(
        MAPPING,
        number,
        label,
        name,
        f"promptlayer/support/{label}/{number}",
        state,
        REASONS[state],
        then,
        environment.clock.now,
        path=f"prompts/{label}/{name}.yaml",
        version=number,
        settled_state=state,
        settled_since=then,
        pull_request=URL if opened else None,
        number=12 if opened else None,
        pull_request_state={TargetState.OPEN: "open", TargetState.DECLINED: "closed"}.get(state),
    )


def write(environment: DashboardEnvironment, entries: Iterable[TargetStatus]) -> None:
    with environment.database.open_transaction() as connection:
        TargetStatusStore(environment.database).write_statuses(connection, entries)


def one_of_each(environment: DashboardEnvironment) -> None:
    """Prompts of which each is in another state, named after it."""
    write(
        environment,
        (
            entry(environment, number, state, f"support/{state.name.lower()}")
            for number, state in enumerate(TargetState, start=1)
        ),
    )


def way_of_a_prompt(environment: DashboardEnvironment) -> str:
    """Prompt 17 at ``latest`` and its steps up to an open pull request; returns the delivery."""
    delivery = delivery_of(version_created(9), environment.clock.now - timedelta(seconds=4))
    environment.inbox.put(delivery)
    reply = entry(environment, 17, TargetState.OPEN, "support/reply")
    write(environment, [replace(reply, branch=BRANCH, since=environment.clock.now)])
    target = Target(MAPPING, 17, "latest")
    ReconcileStore(environment.database, environment.clock).request(
        [ReconcileRequest(Proposal(MAPPING, BRANCH), target, delivery.id)]
    )
    write(environment, [replace(reply, branch=BRANCH, since=environment.clock.now)])
    with environment.database.open_transaction() as connection:
        store_history_events(
            connection,
            environment.database,
            index_by_event_id(_steps(environment.clock.now, delivery.id)),
        )
    return delivery.id


def _steps(now: datetime, delivery: str) -> list[IdentifiedEvent]:
    saved = HistoryEvent(
        HistoryEventKind.VERSION_SAVED,
        MAPPING,
        17,
        "latest",
        now - timedelta(seconds=5),
        text="“Shorter answers”",
        arrived_at=now - timedelta(seconds=4),
        version=9,
        who="Jane Doe",
        delivery_id=delivery,
    )
    opened = HistoryEvent(
        HistoryEventKind.PULL_REQUEST_OPENED,
        MAPPING,
        17,
        "latest",
        now,
        version=9,
        number=12,
        url=URL,
        branch=BRANCH,
        delivery_id=delivery,
        seconds=4.0,
    )
    looked = replace(
        saved, kind=HistoryEventKind.RECONCILED, at=now, arrived_at=None, who=None, text=""
    )
    return [(saved, (1,)), (looked, (2,)), (opened, (3,))]


FOLLOWED = FollowedMapping(
    "promptlayer",
    publishes=True,
    build_file_url=lambda path: f"https://forge.example/acme/bot/blob/HEAD/{path}",
    build_prompt_url=lambda workspace, prompt: (
        f"https://promptlayer.example/workspace/{workspace}/prompt/{prompt}"
    ),
)


def conflict_of_a_prompt(environment: DashboardEnvironment, *, has_file: bool = True) -> None:
    """Prompt 17 at ``latest``, whose two sides changed the same message."""
    conflict = entry(environment, 17, TargetState.CONFLICT, "support/reply")
    conflict = replace(conflict, pull_request=URL, number=12, pull_request_state="open")
    write(environment, [replace(conflict, branch=BRANCH, workspace_id=5)])
    difference = SideDifference(
        (SettingChange("temperature", ("0.2",), ("0.7",)),),
        (TextChange("Message 1", "system", "changed", ("-Answer briefly.", "+Answer at length.")),),
        has_file=has_file,
        has_version=True,
        file_version=8,
        platform_version=9,
        is_conflict=True,
        conflicts=(ConflictingPart("messages[0].content", "Answer at length.", "Answer briefly."),),
    )
    target = Target(MAPPING, 17, "latest")
    observation = TargetObservation(
        target, DriftStatus.BOTH_MOVED, "", "support/reply", difference=difference
    )
    outcome = ReconcileOutcome(ReconcileOutcomeKind.UPDATED, "", observations=(observation,))
    result = ReconcileResult(Proposal(MAPPING, BRANCH), target, outcome, environment.clock.now)
    with environment.database.open_transaction() as connection:
        record_differences(connection, environment.database, [result])
