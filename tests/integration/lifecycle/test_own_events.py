"""The forge announces the bridge's own pushes like everybody's: they ask for no reconcile, and what
a person does to the same pull request still does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.engine.reconcile_store import ReconcileStore
from bridge.forge.forge_webhooks import PullRequestAction
from bridge.prompts.target import Proposal
from tests.bench.calls import ALLOWED, LABELS, count_calls
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_forge_events import decision_told

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
on_hosted_forges = pytest.mark.parametrize("forge", ["GitHub", "GitLab"])


@on_hosted_forges
def test_the_bridges_own_events_cost_no_request(forge: str, tmp_path: Path) -> None:
    new, update = count_calls(tmp_path, forge, LABELS)

    assert (new.requests, update.requests) == ALLOWED[(forge, "labels")]
    assert (new.pushes, update.pushes) == (1, 1)
    assert min(new.events, update.events) >= 2  # a push, and the pull request


@on_hosted_forges
def test_the_count_sees_requests_that_own_events_cause(
    forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReconcileStore, "find_commit", lambda *_: None)

    new, update = count_calls(tmp_path, forge, LABELS)

    assert (new.requests, update.requests) > ALLOWED[(forge, "labels")]


def outcome_of(environment: BridgeEnvironment) -> str:
    return environment.controller.inbox.list_recent(1)[0].state


@on_every_forge
@pytest.mark.parametrize("action", [PullRequestAction.OPENED, PullRequestAction.SYNCHRONIZED])
def test_an_own_push_asks_for_nothing(
    environment: BridgeEnvironment, action: PullRequestAction
) -> None:
    environment.propose("Be kind.")

    decision_told(environment, environment.pull_request(), action)

    assert outcome_of(environment) == "ignored"


@on_every_forge
def test_a_commit_of_a_person_is_found_at_once(environment: BridgeEnvironment) -> None:
    environment.propose("Be kind.")
    environment.edit_branch("Be kind", "Be very kind")
    pull = environment.pull_request()

    decision_told(environment, pull, PullRequestAction.SYNCHRONIZED)

    assert outcome_of(environment) == "done"
    assert "People changed this branch" in environment.pull_request().body
    # A person takes the commit back: this is not where the bridge found the branch last.
    environment.repository.point(pull.head_branch, f"{pull.head_branch}^")
    decision_told(environment, environment.pull_request(), PullRequestAction.SYNCHRONIZED)
    assert outcome_of(environment) == "done"
    assert "People changed this branch" not in environment.pull_request().body


@on_every_forge
def test_another_base_that_a_person_chose_is_found_at_once(environment: BridgeEnvironment) -> None:
    environment.propose("Be kind.")
    environment.repository.commit({"README.md": b"More\n"}, "main")
    environment.repository.point("release", "main")
    environment.repository.retarget(environment.pull_request(), "release")

    decision_told(environment, environment.pull_request(), PullRequestAction.RETARGETED)

    assert outcome_of(environment) == "done"
    assert environment.pull_request().base_branch == "main"


@on_every_forge
def test_a_changed_draft_state_asks_for_a_reconcile(environment: BridgeEnvironment) -> None:
    environment.propose("Be kind.")
    environment.repository.turn(environment.pull_request(), draft=True)

    decision_told(environment, environment.pull_request(), PullRequestAction.DRAFT_CHANGED)

    assert outcome_of(environment) == "done"


def test_what_an_older_version_stored_as_updated_still_asks(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Be kind.")

    decision_told(environment, environment.pull_request(), PullRequestAction.UPDATED)

    assert outcome_of(environment) == "done"


def test_the_commit_is_recorded_before_it_is_pushed(environment: BridgeEnvironment) -> None:
    """A webhook may arrive before the reconcile that pushed has ended."""
    environment.save("Be kind.")
    environment.deliver()
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    environment.look()
    proposal = Proposal("support", environment.branch())
    refused = environment.store.find_commit(proposal)
    hook.unlink()
    environment.clock.advance(3600)
    environment.controller.request_due_retries()
    environment.settle()

    assert refused is not None
    assert environment.store.find_commit(proposal) == environment.pull_request().head_commit
