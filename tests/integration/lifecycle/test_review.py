"""What must not be withdrawn, lost or credited wrongly: found by reading, pinned here."""

from __future__ import annotations

import pytest

from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.world import BOB, PATH, MakeWorld, World

TAKEN = "prompts/latest/taken.yaml"
ROLLING = {"pull_request": {"group": "mapping"}}


def propose(world: World, text: str, name: str = "support/reply") -> None:
    world.save(text, name)
    world.settle()


def rename_onto_a_foreign_file(world: World) -> None:
    """Something that is no prompt file stands where the renamed prompt would go."""
    world.place.commit({TAKEN: b"hello: 1\n"})
    world.registry.rename(1, "taken")
    world.settle()


@pytest.mark.parametrize("somebody_worked_on_it", [False, True])
def test_a_proposal_outlives_a_later_version_that_is_refused(
    world: World, somebody_worked_on_it: bool
) -> None:
    propose(world, "Answer kindly.")
    if somebody_worked_on_it:
        world.place.commit({"tests/test_bot.py": b"pass\n"}, world.pull_request().head)

    rename_onto_a_foreign_file(world)

    assert world.proposed() == "Answer kindly."
    assert world.place.text(TAKEN) == "hello: 1\n"


def test_a_refused_prompt_without_a_proposal_is_parked_and_not_called_in_step(
    world: World,
) -> None:
    world.place.commit({PATH: b"hello: 1\n"})

    propose(world, "Answer kindly.")

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.PARKED
    assert PATH in world.standing().reason


def test_a_refused_prompt_stays_in_the_rolling_proposal_as_it_was(make_world: MakeWorld) -> None:
    world = make_world(ROLLING)
    propose(world, "Answer kindly.")
    propose(world, "Greet.", "support/greeting")

    rename_onto_a_foreign_file(world)

    assert world.proposed() == "Answer kindly."
    assert world.proposed("prompts/latest/support/greeting.yaml") == "Greet."


def test_a_rolling_proposal_that_people_work_on_outlives_a_look_at_a_prompt_in_step(
    make_world: MakeWorld,
) -> None:
    world = make_world(ROLLING)
    propose(world, "Sort.", "support/sort")
    world.place.merge(world.pull_request())
    world.sweep()
    propose(world, "Answer kindly.")
    world.place.commit({"tests/test_bot.py": b"pass\n"}, world.pull_request().head)

    propose(world, "Sort.", "support/sort")

    assert world.proposed() == "Answer kindly."


def test_a_rolling_proposal_that_people_work_on_still_tells_of_every_prompt(
    make_world: MakeWorld,
) -> None:
    world = make_world(ROLLING)
    propose(world, "Answer kindly.")
    propose(world, "Greet.", "support/greeting")
    world.place.commit({"tests/test_bot.py": b"pass\n"}, world.pull_request().head)

    propose(world, "Sort.", "support/sort")

    assert "3 prompts" in world.pull_request().title
    assert "tests/test_bot.py" in world.place.changed(world.pull_request().head)


def test_nobody_is_named_for_the_version_after_the_one_they_edited(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.merge(world.pull_request())  # and nobody deletes the branch

    world.save("Answer briefly.", by=BOB)
    world.settle()

    (told,) = world.place.log(world.pull_request().head, "%an%n%B")
    assert told.startswith("Bob Ray\n")
    assert "Ada" not in told


def test_a_branch_template_without_a_folder_is_found_again(make_world: MakeWorld) -> None:
    world = make_world({"branch": "prompt-{id}"})
    propose(world, "Answer kindly.")

    propose(world, "Answer briefly.")

    assert world.says(PATH, "prompt-1") == "Answer briefly."


def test_a_sweep_proposes_a_removal_on_the_branch_that_bears_the_prompts_name(
    make_world: MakeWorld,
) -> None:
    world = make_world({"branch": "promptlayer/{prompt}"})
    propose(world, "Answer kindly.")
    world.place.merge(world.pull_request())
    propose(world, "Greet.", "support/greeting")
    world.place.merge(world.pull_request())
    world.registry.delete(1)
    world.post.lose()

    world.sweep()

    assert world.place.changed(world.pull_request().head) == {PATH}
    assert world.says(revision=world.pull_request().head) is None


def test_a_branch_that_git_cannot_have_beside_another_is_told(world: World) -> None:
    in_the_way = "promptlayer/support"
    world.place.point(in_the_way, world.place.commit({"src/bot.py": b"print()\n"}))

    propose(world, "Answer kindly.")

    assert world.standing().kind is OutcomeKind.PARKED
    assert f"beside its branch {in_the_way}. Delete that one" in world.standing().reason


def test_a_request_that_was_decided_unheard_is_not_remembered_for_ever(
    make_world: MakeWorld,
) -> None:
    world = make_world({"track": ["prod"]})
    world.save("Answer kindly.")
    world.registry.move_label(1, "prod", 1)
    world.settle()
    world.place.merge(world.pull_request())
    world.save("Answer briefly.")
    world.registry.protect("prod")
    world.registry.request_label(1, "prod", version=2)
    world.settle()
    assert world.pull_request().draft
    world.registry.approve_label(1, "prod")
    world.post.lose()
    world.sweep()
    world.place.merge(world.pull_request())

    world.save("Not for production.")
    world.registry.rename(1, "support/answer")
    world.settle()

    assert not world.pull_request().draft
    assert world.proposed("prompts/prod/support/answer.yaml") == "Answer briefly."
