"""A secret in a prompt reaches neither git's history nor PromptLayer, and holds up no other."""

from __future__ import annotations

import random
import string
import subprocess

import pytest

from bridge.errors import BridgeError
from bridge.prompts.outcome import OutcomeKind
from bridge.steps.survey import survey
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World
from tests.standins.git_http import commit_files

# Put together here, so that no scanner takes this file for a leak.
TOKEN = "gh" + "p_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))
ALLOWED = {"secrets": {"allow": [TOKEN]}}
LEAK = "GitHub token in template.messages[0].content[0].text"


def whole_history(world: World) -> str:
    """Every object that the repository has, reachable or not."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    told = subprocess.run(command, cwd=world.place.repository, capture_output=True, check=True)
    return told.stdout.decode("utf-8", "replace")


def test_a_secret_saved_in_promptlayer_never_reaches_git(world: World) -> None:
    world.save(f"Answer with {TOKEN}.")
    world.save("Greet kindly.", "support/greet")

    world.settle()

    assert world.standing().kind is OutcomeKind.PARKED
    assert LEAK in world.standing().reason
    assert TOKEN not in world.standing().reason
    assert world.proposed(PATH.replace("reply", "greet")) == "Greet kindly."
    assert TOKEN not in whole_history(world)


def test_a_secret_in_the_message_of_a_version_never_reaches_git(world: World) -> None:
    world.save("Answer kindly.", commit_message=f"Use {TOKEN}")

    world.settle()

    assert "GitHub token in commit message" in world.standing().reason
    assert world.place.open() == []


def test_once_the_secret_is_taken_out_the_prompt_is_proposed(world: World) -> None:
    world.save(f"Answer with {TOKEN}.")
    world.settle()

    world.save("Answer kindly.")
    world.settle()

    assert world.proposed() == "Answer kindly."


def test_a_secret_leaves_an_open_proposal_as_it_was(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()

    world.save(f"Answer with {TOKEN}.")
    world.settle()

    assert world.proposed() == "Answer kindly."
    assert TOKEN not in whole_history(world)


def test_a_secret_in_one_prompt_of_a_rolling_proposal_holds_up_no_other(
    make_world: MakeWorld,
) -> None:
    world = make_world({"pull_request": {"group": "mapping"}})
    world.save(f"Answer with {TOKEN}.")
    world.save("Greet kindly.", "support/greet")

    world.settle()

    assert world.proposed(PATH.replace("reply", "greet")) == "Greet kindly."
    assert world.proposed() is None
    assert TOKEN not in whole_history(world)


def test_what_is_allowed_is_proposed(make_world: MakeWorld) -> None:
    world = make_world(ALLOWED)
    world.save(f"Answer with {TOKEN}.")

    world.settle()

    assert world.proposed() == f"Answer with {TOKEN}."


def test_a_secret_that_was_merged_never_reaches_promptlayer(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.save("Greet kindly.", "support/greet")
    greet = PATH.replace("reply", "greet")
    world.adopt()
    world.adopt(greet, prompt_id=2)
    edited(world, "kindly", f"with {TOKEN}")
    edited(world, "kindly", "briefly", greet)

    world.sweep()

    assert published(world) == ["Answer kindly."]
    assert published(world, "support/greet") == ["Greet kindly.", "Greet briefly."]
    assert world.standing().kind is OutcomeKind.PARKED
    assert world.standing().reason.startswith(f"{PATH} holds what looks like a secret ({LEAK}")
    assert TOKEN not in world.standing().reason


def test_a_new_file_with_a_secret_becomes_no_prompt(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    text = (world.place.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    text = text.replace(NAME, "support/greet").replace("kindly", f"with {TOKEN}")
    world.place.commit({PATH.replace("reply", "greet"): text.encode()})

    world.sweep()

    with pytest.raises(BridgeError):
        world.registry.entry("support/greet")


def test_a_secret_in_a_commits_message_is_not_told_to_promptlayer(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    text = (world.place.text(PATH) or "").replace("kindly", "briefly")
    commit_files(world.place.repository, "main", {PATH: text.encode()}, message=f"Use {TOKEN}")

    world.sweep()

    assert published(world) == ["Answer kindly."]
    assert "GitHub token in commit message" in world.standing().reason


def test_what_is_allowed_is_published(make_world: MakeWorld) -> None:
    world = make_world({**PUBLISH, **ALLOWED})
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", f"with {TOKEN}")

    world.sweep()

    assert published(world)[-1] == f"Answer with {TOKEN}."


def test_a_survey_tells_a_secret_as_a_mistake_of_its_file(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", f"with {TOKEN}")

    found = survey(world.worker.sites["support"], world.worker.index, world.clock())

    assert found.publications == ()
    (mistake,) = found.mistakes
    assert mistake.startswith(f"{PATH}: ")
    assert TOKEN not in mistake
