"""A secret in a prompt reaches neither git's history nor PromptLayer, and holds up no other."""

from __future__ import annotations

import random
import string
import subprocess

import pytest

from bridge.errors import BridgeError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.reconcile.publish_plan import plan_publish
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.standins.git_http import commit_files

# Put together here, so that no scanner takes this file for a leak.
TOKEN = "gh" + "p_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))
ALLOWED = {"secrets": {"allow": [TOKEN]}}
LEAK = "GitHub token in template.messages[0].content[0].text"


def whole_history(environment: BridgeEnvironment) -> str:
    """Every object that the repository has, reachable or not."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    told = subprocess.run(
        command, cwd=environment.repository.repository, capture_output=True, check=True
    )
    return told.stdout.decode("utf-8", "replace")


def test_a_secret_saved_in_promptlayer_never_reaches_git(environment: BridgeEnvironment) -> None:
    environment.save(f"Answer with {TOKEN}.")
    environment.save("Greet kindly.", "support/greet")

    environment.settle()

    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert LEAK in environment.standing().reason
    assert TOKEN not in environment.standing().reason
    assert environment.proposed(PATH.replace("reply", "greet")) == "Greet kindly."
    assert TOKEN not in whole_history(environment)


def test_a_secret_in_the_message_of_a_version_never_reaches_git(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.", commit_message=f"Use {TOKEN}")

    environment.settle()

    assert "GitHub token in commit message" in environment.standing().reason
    assert environment.repository.open() == []


def test_once_the_secret_is_taken_out_the_prompt_is_proposed(
    environment: BridgeEnvironment,
) -> None:
    environment.save(f"Answer with {TOKEN}.")
    environment.settle()

    environment.save("Answer kindly.")
    environment.settle()

    assert environment.proposed() == "Answer kindly."


def test_a_secret_leaves_an_open_proposal_as_it_was(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()

    environment.save(f"Answer with {TOKEN}.")
    environment.settle()

    assert environment.proposed() == "Answer kindly."
    assert TOKEN not in whole_history(environment)


def test_a_secret_in_one_prompt_of_a_rolling_proposal_holds_up_no_other(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    environment.save(f"Answer with {TOKEN}.")
    environment.save("Greet kindly.", "support/greet")

    environment.settle()

    assert environment.proposed(PATH.replace("reply", "greet")) == "Greet kindly."
    assert environment.proposed() is None
    assert TOKEN not in whole_history(environment)


def test_what_is_allowed_is_proposed(make_world: MakeWorld) -> None:
    environment = make_world(ALLOWED)
    environment.save(f"Answer with {TOKEN}.")

    environment.settle()

    assert environment.proposed() == f"Answer with {TOKEN}."


def test_a_secret_that_was_merged_never_reaches_promptlayer(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.save("Greet kindly.", "support/greet")
    greet = PATH.replace("reply", "greet")
    environment.adopt()
    environment.adopt(greet, prompt_id=2)
    edited(environment, "kindly", f"with {TOKEN}")
    edited(environment, "kindly", "briefly", greet)

    environment.sweep()

    assert published(environment) == ["Answer kindly."]
    assert published(environment, "support/greet") == ["Greet kindly.", "Greet briefly."]
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert environment.standing().reason.startswith(
        f"{PATH} holds what looks like a secret ({LEAK}"
    )
    assert TOKEN not in environment.standing().reason


def test_a_new_file_with_a_secret_becomes_no_prompt(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = (
        (environment.repository.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    )
    text = text.replace(NAME, "support/greet").replace("kindly", f"with {TOKEN}")
    environment.repository.commit({PATH.replace("reply", "greet"): text.encode()})

    environment.sweep()

    with pytest.raises(BridgeError):
        environment.registry.find_entry("support/greet")


def test_a_secret_in_a_commits_message_is_not_told_to_promptlayer(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = (environment.repository.text(PATH) or "").replace("kindly", "briefly")
    commit_files(
        environment.repository.repository, "main", {PATH: text.encode()}, message=f"Use {TOKEN}"
    )

    environment.sweep()

    assert published(environment) == ["Answer kindly."]
    assert "GitHub token in commit message" in environment.standing().reason


def test_what_is_allowed_is_published(make_world: MakeWorld) -> None:
    environment = make_world({**PUBLISH, **ALLOWED})
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", f"with {TOKEN}")

    environment.sweep()

    assert published(environment)[-1] == f"Answer with {TOKEN}."


def test_a_survey_tells_a_secret_as_a_mistake_of_its_file(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", f"with {TOKEN}")

    publish_plan = plan_publish(
        environment.controller.contexts["support"],
        environment.controller.file_index,
        environment.clock(),
    )

    assert publish_plan.publications == ()
    (mistake,) = publish_plan.mistakes
    assert mistake.startswith(f"{PATH}: ")
    assert TOKEN not in mistake
