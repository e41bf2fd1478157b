"""Whatever happens in whatever order: the books agree with the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.books.overview import Overview
from bridge.engine.ledger import Ask, Ledger
from bridge.forge.base import PullRequestState
from bridge.prompts.compare import Standing
from bridge.prompts.outcome import Decided, Outcome, OutcomeKind, Sight
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from tests.integration.clock import Clock

TARGETS = tuple(Target("support", number, "latest") for number in (1, 2, 3))
PROPOSAL = Proposal("support", "b/all")  # carries all three

sights = st.tuples(
    *(
        st.builds(
            Sight,
            st.just(target),
            st.sampled_from(Standing),
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
    Outcome,
    st.sampled_from([kind for kind in OutcomeKind if kind is not OutcomeKind.WAITING]),
    st.just("why"),
    st.just("https://x/1"),
    st.sampled_from([1, 2, None]),
    st.none(),
    st.just(()),
    st.one_of(st.just(()), sights),
    st.one_of(
        st.none(),
        st.builds(
            Decided,
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
    steps: list[set[Target] | Outcome | str],
) -> None:
    clock = Clock()
    with opened() as database:
        ledger, overview = Ledger(database, clock), Overview(database, clock)
        for step in steps:
            clock.turn(1)
            if isinstance(step, set):
                ledger.ask([Ask(PROPOSAL, target) for target in sorted(step)])
            elif isinstance(step, Outcome):
                ledger.settle(PROPOSAL, ledger.waiting(PROPOSAL), step)
            else:
                ledger.postpone(PROPOSAL, "put off", None)

            entries = {one.entry.target: one.entry for one in overview.standings()}
            asked = {look.target for look in ledger.waiting(PROPOSAL)}
            waiting = {t for t, entry in entries.items() if entry.state is State.WAITING}
            never_told = {t for t, entry in entries.items() if entry.settled_state is None}
            assert asked <= waiting <= asked | never_told
            assert all(entry.since <= clock() for entry in entries.values())
            total = sum(overview.states().values())
            assert total == len(entries)
