"""What must not be withdrawn, lost or credited wrongly: found by reading, pinned here."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import BOB, PATH, BridgeEnvironment, MakeWorld

TAKEN = "prompts/latest/taken.yaml"
ROLLING = {"pull_request": {"group": "mapping"}}


def rename_onto_a_foreign_file(environment: BridgeEnvironment) -> None:
    """Something that is no prompt file stands where the renamed prompt would go."""
    environment.repository.commit({TAKEN: b"hello: 1\n"})
    environment.registry.rename(1, "taken")
    environment.settle()


@pytest.mark.parametrize("somebody_worked_on_it", [False, True])
def test_a_proposal_outlives_a_later_version_that_is_refused(
    environment: BridgeEnvironment, somebody_worked_on_it: bool
) -> None:
    environment.propose("Answer kindly.")
    if somebody_worked_on_it:
        environment.repository.commit(
            {"tests/test_bot.py": b"pass\n"}, environment.pull_request().head_branch
        )

    rename_onto_a_foreign_file(environment)

    assert environment.proposed() == "Answer kindly."
    assert environment.repository.text(TAKEN) == "hello: 1\n"


def test_a_refused_prompt_without_a_proposal_is_parked_and_not_called_in_step(
    environment: BridgeEnvironment,
) -> None:
    environment.repository.commit({PATH: b"hello: 1\n"})

    environment.propose("Answer kindly.")

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert PATH in environment.standing().reason


def test_a_refused_prompt_stays_in_the_rolling_proposal_as_it_was(make_world: MakeWorld) -> None:
    environment = make_world(ROLLING)
    environment.propose("Answer kindly.")
    environment.propose("Greet.", "support/greeting")

    rename_onto_a_foreign_file(environment)

    assert environment.proposed() == "Answer kindly."
    assert environment.proposed("prompts/latest/support/greeting.yaml") == "Greet."


def test_a_rolling_proposal_that_people_work_on_outlives_a_look_at_a_prompt_in_step(
    make_world: MakeWorld,
) -> None:
    environment = make_world(ROLLING)
    environment.propose("Sort.", "support/sort")
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    environment.propose("Answer kindly.")
    environment.repository.commit(
        {"tests/test_bot.py": b"pass\n"}, environment.pull_request().head_branch
    )

    environment.propose("Sort.", "support/sort")

    assert environment.proposed() == "Answer kindly."


def test_a_rolling_proposal_that_people_work_on_still_tells_of_every_prompt(
    make_world: MakeWorld,
) -> None:
    environment = make_world(ROLLING)
    environment.propose("Answer kindly.")
    environment.propose("Greet.", "support/greeting")
    environment.repository.commit(
        {"tests/test_bot.py": b"pass\n"}, environment.pull_request().head_branch
    )

    environment.propose("Sort.", "support/sort")

    assert "3 prompts" in environment.pull_request().title
    assert "tests/test_bot.py" in environment.repository.changed(
        environment.pull_request().head_branch
    )


def test_nobody_is_named_for_the_version_after_the_one_they_edited(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    environment.repository.merge(environment.pull_request())  # and nobody deletes the branch

    environment.save("Answer briefly.", by=BOB)
    environment.settle()

    (told,) = environment.repository.log(environment.pull_request().head_branch, "%an%n%B")
    assert told.startswith("Bob Ray\n")
    assert "Ada" not in told


def test_a_branch_template_without_a_folder_is_found_again(make_world: MakeWorld) -> None:
    environment = make_world({"branch": "prompt-{id}"})
    environment.propose("Answer kindly.")

    environment.propose("Answer briefly.")

    assert environment.says(PATH, "prompt-1") == "Answer briefly."


def test_a_sweep_proposes_a_removal_on_the_branch_that_bears_the_prompts_name(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"branch": "promptlayer/{prompt}"})
    environment.propose("Answer kindly.")
    environment.repository.merge(environment.pull_request())
    environment.propose("Greet.", "support/greeting")
    environment.repository.merge(environment.pull_request())
    environment.registry.delete(1)
    environment.post.lose()

    environment.sweep()

    assert environment.repository.changed(environment.pull_request().head_branch) == {PATH}
    assert environment.says(revision=environment.pull_request().head_branch) is None


def test_a_branch_that_git_cannot_have_beside_another_is_told(
    environment: BridgeEnvironment,
) -> None:
    in_the_way = "promptlayer/support"
    environment.repository.point(
        in_the_way, environment.repository.commit({"src/bot.py": b"print()\n"})
    )

    environment.propose("Answer kindly.")

    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert f"beside its branch {in_the_way}. Delete that one" in environment.standing().reason


def test_a_request_that_was_decided_unheard_is_not_remembered_for_ever(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"track": ["prod"]})
    environment.save("Answer kindly.")
    environment.registry.move_label(1, "prod", 1)
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Answer briefly.")
    environment.registry.protect_label("prod")
    environment.registry.request_label(1, "prod", version=2)
    environment.settle()
    assert environment.pull_request().is_draft
    environment.registry.approve_label(1, "prod")
    environment.post.lose()
    environment.sweep()
    environment.repository.merge(environment.pull_request())

    environment.save("Not for production.")
    environment.registry.rename(1, "support/answer")
    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed("prompts/prod/support/answer.yaml") == "Answer briefly."
