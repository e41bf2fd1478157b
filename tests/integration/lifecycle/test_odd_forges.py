"""Forges that are slow to notice a branch, without drafts, or with a rule for commits; and what is
parked is taken up again by itself."""

from __future__ import annotations

import pytest

from bridge.forge.draft_fallback import NOTE
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import ODD_FORGES
from tests.integration.lifecycle.world import MakeWorld, World
from tests.standins.git_http import git

on_odd_forges = pytest.mark.parametrize("forge_name", ODD_FORGES)
on_hosted_forges = pytest.mark.parametrize("forge_name", ["github", "gitlab"])

RULE = (
    "#!/bin/sh\n"
    'git log --format=%s -1 "$3" | grep -qE "^[A-Z]+-[0-9]+ " && exit 0\n'
    'echo "GitLab: Commit message does not follow the pattern ^[A-Z]+-[0-9]+ " >&2\nexit 1\n'
)


@on_odd_forges
def test_a_branch_that_is_noticed_late_gets_its_pull_request_by_itself(world: World) -> None:
    world.save("Be kind.")
    world.deliver()
    first = world.look()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.WAITING
    assert len([pause for pause in first if pause is not None]) == 1
    world.settle()
    assert world.proposed() == "Be kind."
    assert world.standing().kind is OutcomeKind.PROPOSED


@on_odd_forges
def test_a_draft_is_proposed_as_the_forge_has_it(make_world: MakeWorld, forge_name: str) -> None:
    world = make_world({"pull_request": {"draft": True}})
    world.save("Be kind.")
    world.settle()

    made = world.pull_request()
    without = forge_name == "odd github"
    assert (made.draft, made.body.startswith(NOTE)) == (not without, without)
    world.save("Be kinder.")
    world.settle()
    assert world.proposed() == "Be kinder."
    assert world.pull_request().body.startswith(NOTE) is without
    world.sweep()
    assert world.pull_request().number == made.number


@on_hosted_forges
def test_what_a_rule_refuses_is_parked_with_its_words_and_taken_up_when_it_is_gone(
    world: World,
) -> None:
    hook = world.place.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(RULE)
    hook.chmod(0o755)
    world.save("Be kind.")
    world.settle()

    standing = world.standing()
    assert standing.kind is OutcomeKind.PARKED
    assert "does not follow the pattern" in standing.reason
    assert world.worker.retry_parked() == ()
    world.clock.turn(60)
    (again,) = world.worker.retry_parked()
    world.settle()
    assert world.standing().kind is OutcomeKind.PARKED
    assert again.branch == world.branch()

    hook.unlink()
    world.clock.turn(3600)
    assert world.worker.retry_parked() == (again,)
    world.settle()
    assert world.proposed() == "Be kind."


@on_hosted_forges
def test_a_refusal_that_does_not_pass_is_parked_after_a_few_attempts(world: World) -> None:
    hook = world.place.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    world.save("Be kind.")
    world.settle()

    assert world.standing().kind is OutcomeKind.PARKED
    assert git(world.place.repository, "for-each-ref", "refs/heads/promptlayer") == ""
