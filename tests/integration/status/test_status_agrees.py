"""Whatever happens in whatever order: the books agree with the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    DecidedPullRequest,
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Proposal, Target
from bridge.status.status_reader import StatusReader
from bridge.storage.database import Database
from tests.integration.manual_clock import ManualClock

TARGETS = tuple(Target("support", number, "latest") for number in (1, 2, 3))
PROPOSAL = Proposal("support", "b/all")  # carries all three

sights = st.tuples(
    *(
        st.builds(
            TargetObservation,
            st.just(target),
            st.sampled_from(DriftStatus),
            st.just("as seen"),
            st.sampled_from(["a name", None]),
            st.none(),
            st.integers(1, 3),
            st.booleans(),
            st.booleans(),
        )
        for target in TARGETS
    )
)
outcomes = st.builds(
    ReconcileOutcome,
    st.sampled_from(
        [kind for kind in ReconcileOutcomeKind if kind is not ReconcileOutcomeKind.WAITING]
    ),
    st.just("why"),
    st.just("https://x/1"),
    st.sampled_from([1, 2, None]),
    st.none(),
    st.just(()),
    st.one_of(st.just(()), sights),
    st.one_of(
        st.none(),
        st.builds(
            DecidedPullRequest,
            st.sampled_from([1, 2]),
            st.just("https://x/1"),
            st.sampled_from([PullRequestState.MERGED, PullRequestState.CLOSED]),
        ),
    ),
)
steps = st.lists(
    st.one_of(st.sets(st.sampled_from(TARGETS), min_size=1), outcomes, st.just("put off")),
    max_size=12,
)


@contextmanager
def opened() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder)}/bridge.sqlite")
        yield database
        database.close()


@given(steps)
@settings(max_examples=25, deadline=None)
def test_a_target_waits_as_long_as_a_look_at_it_does(
    steps: list[set[Target] | ReconcileOutcome | str],
) -> None:
    clock = ManualClock()
    with opened() as database:
        store, reader = ReconcileStore(database, clock), StatusReader(database, clock)
        for step in steps:
            clock.advance(1)
            if isinstance(step, set):
                store.request([ReconcileRequest(PROPOSAL, target) for target in sorted(step)])
            elif isinstance(step, ReconcileOutcome):
                store.record_outcome(PROPOSAL, store.find_pending(PROPOSAL), step)
            else:
                store.postpone(PROPOSAL, "put off", None)

            entries = {one.status.target: one.status for one in reader.list_targets()}
            asked = {pending.target for pending in store.find_pending(PROPOSAL)}
            waiting = {t for t, status in entries.items() if status.state is TargetState.WAITING}
            never_told = {t for t, status in entries.items() if status.settled_state is None}
            assert asked <= waiting <= asked | never_told
            assert all(status.since <= clock() for status in entries.values())
            total = sum(reader.count_states().values())
            assert total == len(entries)
