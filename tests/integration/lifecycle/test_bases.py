"""Where a proposal goes: one pull request for a head branch, to the mapping's base, and nothing in
it but the bridge's work and that of people on its own branch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.forge.base import PullRequest, PullRequestContent, PullRequestState
from bridge.prompts.memory import recall
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import PATH, MakeWorld, World

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def change_base(world: World, base: str | None) -> None:
    """Somebody writes another ``base`` into the mapping, and the running bridge takes it up."""
    (site,) = world.worker.sites.values()
    settings = site.mapping.model_copy(update={"base": base})
    world.worker.sites = {site.mapping.name: replace(site, mapping=settings)}


def start_develop(world: World) -> None:
    """A branch with work that main does not have."""
    world.place.commit({"unfinished/plan.txt": b"Not yet.\n"}, "develop")


def only_proposal(world: World) -> PullRequest:
    """The one open pull request, which brings the prompt's file and nothing else."""
    (only,) = world.place.open()
    assert world.place.changed(only.head, only.base) == {PATH}
    assert f"`{only.base}`" in only.body
    return only


# The mapping's base changes


@on_every_forge
def test_a_proposal_follows_the_base_to_a_branch_with_unfinished_work(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = only_proposal(world)
    start_develop(world)

    change_base(world, "develop")
    world.sweep()

    moved = only_proposal(world)
    assert (moved.number, moved.base) == (opened.number, "develop")
    assert world.place.log(moved.head, "%P", "develop") == [world.place.head("develop")]
    (words,) = world.place.comments(moved.number)
    assert "develop" in words


@on_every_forge
def test_a_proposal_follows_the_base_back_and_brings_nothing_of_the_other(world: World) -> None:
    start_develop(world)
    change_base(world, "develop")
    propose(world, "Answer kindly.")
    opened = only_proposal(world)

    change_base(world, None)
    world.sweep()

    moved = only_proposal(world)
    assert (moved.number, moved.base) == (opened.number, "main")
    assert world.place.log(moved.head, "%P", "main") == [world.place.head("main")]


@on_every_forge
def test_a_proposal_follows_the_base_between_branches_that_went_different_ways(
    world: World,
) -> None:
    propose(world, "Answer kindly.")
    start_develop(world)
    world.place.commit({"hotfix.txt": b"Now.\n"})
    world.sweep()

    change_base(world, "develop")
    world.sweep()

    assert only_proposal(world).base == "develop"


@on_every_forge
def test_what_was_declined_stays_declined_on_another_base(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.close(world.pull_request().number)
    world.sweep()
    start_develop(world)

    change_base(world, "develop")
    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REJECTED


@on_every_forge
def test_what_was_merged_is_proposed_to_the_base_that_lacks_it(world: World) -> None:
    start_develop(world)
    propose(world, "Answer kindly.")
    world.place.merge(world.pull_request())
    world.sweep()

    change_base(world, "develop")
    world.sweep()

    assert only_proposal(world).base == "develop"


@on_every_forge
def test_a_branch_with_commits_of_others_stays_on_the_base_it_stands_on_and_is_told(
    world: World,
) -> None:
    start_develop(world)
    change_base(world, "develop")
    propose(world, "Answer kindly.")
    world.place.commit({"tests/test_bot.py": b"pass\n"}, world.branch())

    change_base(world, None)
    world.sweep()

    left = world.pull_request()
    assert left.base == "develop"
    assert world.standing().kind is OutcomeKind.CONFLICT
    assert "rebase it onto main" in world.standing().reason
    (words,) = world.place.comments(left.number)
    assert "rebase it onto `main`" in words

    world.place.merge(left)
    world.sweep()

    assert only_proposal(world).base == "main"


@on_every_forge
def test_a_branch_with_commits_of_others_goes_along_where_it_brings_nothing_else(
    world: World,
) -> None:
    propose(world, "Answer kindly.")
    world.place.commit({"tests/test_bot.py": b"pass\n"}, world.branch())
    start_develop(world)

    change_base(world, "develop")
    world.sweep()

    moved = world.pull_request()
    assert moved.base == "develop"
    assert world.place.changed(moved.head, "develop") == {PATH, "tests/test_bot.py"}


@on_every_forge
def test_a_rolling_proposal_follows_the_base_with_all_it_proposes(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"group": "mapping"}})
    world.save("Answer kindly.")
    world.save("Refund.", "support/refund")
    world.settle()
    world.save("Refund at once.", "support/refund")
    world.settle()
    start_develop(world)

    change_base(world, "develop")
    world.sweep()

    moved = world.pull_request()
    assert moved.base == "develop"
    paths = {PATH, "prompts/latest/support/refund.yaml"}
    assert world.place.changed(moved.head, "develop") == paths
    assert world.proposed_by(moved, "prompts/latest/support/refund.yaml") == "Refund at once."


def test_two_pull_requests_that_an_older_bridge_left_become_one(world: World) -> None:
    propose(world, "Answer kindly.")
    start_develop(world)
    before = world.pull_request()
    content = PullRequestContent(before.title, before.body)
    second = world.place.forge.create_pull_request(before.head, "develop", content)

    change_base(world, "develop")
    world.sweep()

    assert only_proposal(world).number == second.number
    closed = world.place.forge.pull_request(before.number)
    assert closed is not None
    assert closed.state is PullRequestState.CLOSED
    assert "Withdrawn" in world.place.comments(before.number)[0]
    memory = recall(closed.body)
    assert memory is not None
    assert memory.withdrawn


# A person takes it elsewhere


@on_every_forge
def test_a_pull_request_that_a_person_took_elsewhere_is_put_back_with_a_word(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = only_proposal(world)
    start_develop(world)

    for _ in range(2):
        world.place.retarget(world.pull_request(), "develop")
        world.sweep()

    back = only_proposal(world)
    assert (back.number, back.base) == (opened.number, "main")
    (words,) = world.place.comments(back.number)
    assert "change its `base`" in words


def test_a_pull_request_that_a_person_opens_from_the_branch_is_left_alone(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    start_develop(world)
    theirs = world.place.forge.create_pull_request(
        opened.head, "develop", PullRequestContent("To develop as well", "By Sam.")
    )

    propose(world, "Answer briefly.")

    numbers = {each.number: each for each in world.place.open()}
    assert numbers[theirs.number].body.strip() == "By Sam."
    assert numbers[opened.number].base == "main"
    assert world.proposed_by(numbers[opened.number]) == "Answer briefly."


# The forge's default branch


@on_every_forge
def test_a_renamed_default_branch_needs_no_restart(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()

    world.place.rename_branch("main", "trunk")
    propose(world, "Answer briefly.")

    moved = only_proposal(world)
    assert (moved.number, moved.base) == (opened.number, "trunk")
    assert world.says(PATH, moved.head) == "Answer briefly."


@on_every_forge
def test_a_default_branch_that_moved_is_followed_at_the_next_sweep(world: World) -> None:
    propose(world, "Answer kindly.")
    start_develop(world)

    world.place.set_default_branch("develop")
    world.sweep()

    assert only_proposal(world).base == "develop"


# The check that follows every test


def test_a_planted_foreign_commit_is_seen(world: World) -> None:
    propose(world, "Answer kindly.")
    start_develop(world)
    ours = world.pull_request().head_commit
    world.place.point(world.branch(), world.place.head("develop"))

    seen = world.place.foreign_work()

    world.place.point(world.branch(), ours)
    assert len(seen) == 1
    assert "unfinished/plan.txt" in seen[0]
    assert world.place.foreign_work() == []
