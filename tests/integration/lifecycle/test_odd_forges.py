"""Forges that are slow to notice a branch, without drafts, or with a rule for commits; and what is
parked is taken up again by itself."""

from __future__ import annotations

import pytest

from bridge.forge.draft_fallback import NOTE
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import (
    BridgeEnvironment,
    MakeWorld,
    lines,
)
from tests.integration.lifecycle.forge_repository import ODD_FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.standins.git_http import git

on_odd_forges = pytest.mark.parametrize("forge_name", ODD_FORGES)
on_hosted_forges = pytest.mark.parametrize("forge_name", ["github", "gitlab"])

RULE = (
    "#!/bin/sh\n"
    'git log --format=%s -1 "$3" | grep -qE "^[A-Z]+-[0-9]+ " && exit 0\n'
    'echo "GitLab: Commit message does not follow the pattern ^[A-Z]+-[0-9]+ " >&2\nexit 1\n'
)


@on_odd_forges
def test_a_branch_that_is_noticed_late_gets_its_pull_request_by_itself(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Be kind.")
    environment.deliver()
    first = environment.look()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.WAITING
    assert len([pause for pause in first if pause is not None]) == 1
    environment.settle()
    assert environment.proposed() == "Be kind."
    assert environment.standing().kind is ReconcileOutcomeKind.PROPOSED


@on_odd_forges
def test_a_draft_is_proposed_as_the_forge_has_it(make_world: MakeWorld, forge_name: str) -> None:
    environment = make_world({"pull_request": {"draft": True}})
    environment.save("Be kind.")
    environment.settle()

    made = environment.pull_request()
    without = forge_name == "odd github"
    assert (made.is_draft, made.body.startswith(NOTE)) == (not without, without)
    environment.save("Be kinder.")
    environment.settle()
    assert environment.proposed() == "Be kinder."
    assert environment.pull_request().body.startswith(NOTE) is without
    environment.sweep()
    assert environment.pull_request().number == made.number


@on_hosted_forges
def test_what_a_rule_refuses_is_parked_with_its_words_and_taken_up_when_it_is_gone(
    environment: BridgeEnvironment,
) -> None:
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(RULE)
    hook.chmod(0o755)
    environment.save("Be kind.")
    environment.settle()

    standing = environment.standing()
    assert standing.kind is ReconcileOutcomeKind.PARKED
    assert "does not follow the pattern" in standing.reason
    assert environment.controller.request_due_retries() == ()
    environment.clock.advance(60)
    (again,) = environment.controller.request_due_retries()
    environment.settle()
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert again.branch == environment.branch()

    hook.unlink()
    environment.clock.advance(3600)
    assert environment.controller.request_due_retries() == (again,)
    environment.settle()
    assert environment.proposed() == "Be kind."


@on_hosted_forges
def test_a_refusal_that_does_not_pass_is_parked_after_a_few_attempts(
    environment: BridgeEnvironment,
) -> None:
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    environment.save("Be kind.")
    environment.settle()

    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert git(environment.repository.repository, "for-each-ref", "refs/heads/promptlayer") == ""


@on_odd_forges
def test_a_proposal_lives_its_whole_life_there(make_world: MakeWorld) -> None:
    """Created, updated, merged, published, declined and in conflict, one after the other."""
    environment = make_world({**PUBLISH, "pull_request": {"draft": True}})
    repository = environment.repository

    environment.propose(lines())
    created = environment.pull_request()
    environment.propose(lines(a="A"))
    updated = environment.pull_request()
    assert (updated.number, environment.proposed()) == (created.number, lines(a="A"))

    repository.turn(updated, draft=False)
    repository.merge(environment.pull_request())
    environment.sweep()
    assert environment.standing().kind is ReconcileOutcomeKind.IN_STEP
    assert repository.open() == []

    edited(environment, "  b\n", "  B\n")
    environment.sweep()
    assert published(environment)[-1] == lines(a="A", b="B")

    environment.propose(lines(a="A", b="B", c="C"))
    declined = environment.pull_request()
    repository.close(declined.number)
    environment.sweep()
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED
    assert repository.open() == []

    environment.propose(lines(a="A", b="B", c="C", d="D"))
    assert environment.pull_request().number != declined.number
    environment.edit_branch("  D\n", "  D of Sam\n")
    environment.propose(lines(a="A", b="B", c="C", d="D of Ada"))
    assert environment.standing().kind is ReconcileOutcomeKind.CONFLICT
    assert len(repository.comments(environment.pull_request().number)) == 1
    assert "People changed this branch" in environment.pull_request().body


@on_odd_forges
def test_a_commit_rule_is_met_by_a_template_there(make_world: MakeWorld) -> None:
    subject = "PROMPT-1 {summary}"
    environment = make_world({"commit": {"subject": subject}})
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(RULE)
    hook.chmod(0o755)

    environment.propose("Be kind.")
    environment.propose("Be kinder.")

    assert environment.proposed() == "Be kinder."
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED
