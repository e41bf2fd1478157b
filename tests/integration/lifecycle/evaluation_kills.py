"""Kill the bridge at every step of an evaluation: before or after the n-th thing that it writes down, asks
of PromptLayer or says on the forge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.engine.evaluation_store import EvaluationStore
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment

# What is counted: reads of the database change nothing.
STORE_STEPS = (
    "request",
    "add_runs",
    "claim_run",
    "record_execution",
    "finish_run",
    "close_request",
)
PROMPTLAYER_STEPS = ("send", "send_with_status")
FORGE_STEPS = ("find_pull_request", "set_commit_status", "upsert_comment")
MAPPING: dict[str, Any] = {"evals": {"run": "bridge", "workflow": "quality"}}


class KilledError(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class KillSwitch:
    """Kills at the ``number``-th step, before it or after it."""

    number: int
    after: bool
    steps: list[str] = field(default_factory=list)
    killed_at: str | None = None

    def wrap(self, owner: Any, names: tuple[str, ...]) -> Any:
        return _Steps(owner, names, self)

    def take(self, name: str, step: Callable[[], Any]) -> Any:
        self.steps.append(name)
        is_now = self.killed_at is None and len(self.steps) == self.number
        if is_now and not self.after:
            self.killed_at = f"before {name}"
            raise KilledError
        answer = step()
        if is_now:
            self.killed_at = f"after {name}"
            raise KilledError
        return answer

    @property
    def lost_an_answer(self) -> bool:
        """Whether PromptLayer's answer to a start was not stored: nobody can tell of it then."""
        return self.killed_at in ("after start", "before record_execution")


class _Steps:
    def __init__(self, owner: Any, names: tuple[str, ...], switch: KillSwitch) -> None:
        self._owner = owner
        self._names = names
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._owner, name)
        if name not in self._names:
            return found

        def step(*arguments: Any, **more: Any) -> Any:
            is_start = arguments[:1] == ("POST",) and str(arguments[1]).endswith("/run")
            told = "start" if is_start else name
            return self._switch.take(told, lambda: found(*arguments, **more))

        return step


@contextmanager
def killed_once(environment: BridgeEnvironment, switch: KillSwitch) -> Iterator[None]:
    """Within this, the bridge is killed at that step."""
    controller = environment.controller
    contexts, evaluations = controller.contexts, controller.store.evaluations
    controller.contexts = {name: _wrap(context, switch) for name, context in contexts.items()}
    controller.store.evaluations = switch.wrap(evaluations, STORE_STEPS)
    try:
        yield
    except KilledError:
        pass
    finally:
        controller.contexts, controller.store.evaluations = contexts, evaluations


def _wrap(context: Any, switch: KillSwitch) -> Any:
    return replace(
        context,
        promptlayer=switch.wrap(context.promptlayer, PROMPTLAYER_STEPS),
        forge=switch.wrap(context.forge, FORGE_STEPS),
    )


@contextmanager
def forgotten_executions() -> Iterator[None]:
    """A planted fault: the number of a started execution is not stored."""
    real = EvaluationStore.record_execution
    EvaluationStore.record_execution = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        EvaluationStore.record_execution = real  # type: ignore[method-assign]


@dataclass
class StartedHeads:
    """How often the evaluation of each head was started; those apart of which an answer was lost."""

    starts: dict[str, int] = field(default_factory=dict)
    starts_after_lost_answer: dict[str, int] = field(default_factory=dict)
    killed_at: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> Mapping[str, int]:
        """The heads that were not started exactly once."""
        return {head: count for head, count in self.starts.items() if count != 1}


def evaluate_heads(
    environment: BridgeEnvironment, count: int, *, first_step: int = 1
) -> StartedHeads:
    """So many heads, each with a kill at another step; then the bridge comes back and finishes."""
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    found, number, after = StartedHeads(), first_step, False
    for version in range(1, count + 1):
        environment.save(f"Answer number {version}.")
        switch = KillSwitch(number, after)
        environment.evaluations.hold_runs()
        with killed_once(environment, switch):
            environment.settle()
            environment.run_evaluations(patience=10)
            environment.evaluations.release_runs()
            environment.run_evaluations()
        environment.evaluations.release_runs()
        environment.controller = environment.another_worker(environment.database)
        environment.reopen_front_door()
        environment.sweep()
        environment.run_evaluations(patience=600)
        head = environment.pull_request().head_commit
        runs = environment.evaluations.workflow_runs.values()
        starts = sum(run.variables.get("commit") == head for run in runs)
        group = found.starts_after_lost_answer if switch.lost_an_answer else found.starts
        group[head] = starts
        found.killed_at[switch.killed_at or "not killed"] += 1
        if switch.killed_at is None:  # there are no more steps
            number, after = 0, not after
        number += 1
    return found
