"""The last agreement after a longer sequence of what people did on both sides."""

from __future__ import annotations

import pytest

from bridge.engine.reconcile_store import ReconcileRequest
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_agreement import (
    BOTH,
    PROD,
    Lose,
    database,
    nothing,
    prod_on,
    record,
    started,
    without_stamps,
)
from tests.integration.lifecycle.test_publishing import edited, published

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def promote(environment: BridgeEnvironment) -> None:
    """Somebody copies latest's file over prod's, and corrects the label."""
    text = environment.repository.text(PATH) or ""
    assert "label: latest" in text
    environment.repository.commit({PROD: text.replace("label: latest", "label: prod").encode()})


@on_every_forge
def test_a_file_that_goes_back_to_a_version_that_was_made_of_it_moves_its_label(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    edited(environment, "kindly", "briefly", PROD)
    environment.sweep()
    promote(environment)
    environment.sweep()
    assert (published(environment)[1:], prod_on(environment)) == (["Answer briefly."], 1)

    edited(environment, "kindly", "briefly", PROD)
    environment.sweep()

    assert prod_on(environment) == 2
    assert environment.says(PROD) == "Answer briefly."


@on_every_forge
def test_a_label_that_comes_back_after_its_file_was_removed_with_it_is_proposed(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.registry.delete_label(1, "prod")
    environment.sweep()
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert PROD not in environment.repository.paths()

    environment.registry.move_label(1, "prod", 1)
    environment.sweep()

    assert environment.proposed(PROD) == "Answer kindly."


@pytest.mark.parametrize("has_id", [True, False], ids=["with its id", "without an id"])
def test_a_copy_over_another_labels_file_stays_that_labels_when_its_source_goes(
    make_world: MakeWorld, has_id: bool
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    edited(environment, "kindly", "briefly")
    environment.sweep()
    copy = environment.repository.text(PATH) or ""
    copy = copy if has_id else copy.replace("id: 1\n", "")
    environment.repository.commit({PROD: copy.encode()})
    environment.sweep()
    assert prod_on(environment) == 2

    environment.repository.commit({PATH: None})
    environment.sweep()

    pull = environment.pull_request()
    assert "label: prod" in (environment.repository.text(PROD, pull.head_branch) or "")
    assert environment.held(PROD, pull.head_branch).id == 1
    assert PATH not in environment.repository.paths(pull.head_branch)


@on_every_forge
def test_a_new_file_and_its_copy_for_another_label_are_two_files(make_world: MakeWorld) -> None:
    environment = make_world(BOTH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = (environment.repository.text(PATH) or "").replace("id: 1\n", "")
    environment.repository.commit({PATH: text.encode(), PROD: text.encode()})

    environment.sweep()
    environment.sweep()

    assert (published(environment), prod_on(environment)) == (["Answer kindly."], 1)
    for pull in environment.repository.open():
        environment.repository.merge(pull)
    environment.sweep()
    assert "label: prod" in (environment.repository.text(PROD) or "")
    assert (environment.held(PATH).id, environment.held(PROD).id) == (1, 1)


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_a_draft_that_a_hotfix_went_over_is_named_also_when_somebody_saves_again(
    make_world: MakeWorld, drop: Lose
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.save("Answer with a draft.")
    edited(environment, "kindly", "safely", PROD)
    environment.sweep()
    assert prod_on(environment) == 3

    drop(environment)
    environment.save("Answer safely and briefly.")
    promote(environment)
    environment.sweep()

    pull = environment.pull_request()
    assert environment.says(PATH, pull.head_branch) == "Answer safely and briefly."
    assert "version 2 of" in pull.body
    assert "overtaken by version 3" in pull.body


@on_every_forge
@pytest.mark.parametrize("is_proposed", [True, False], ids=["proposed before", "not proposed yet"])
@pytest.mark.parametrize("first", [LATEST, "prod"])
def test_a_draft_that_a_promoted_edit_went_over_is_named_although_both_labels_are_in_step(
    make_world: MakeWorld, is_proposed: bool, first: str
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.save("Answer with a draft.")
    if is_proposed:
        environment.settle()
    assert len(environment.repository.open()) == is_proposed
    edited(environment, "kindly", "safely")
    promote(environment)

    environment.post.lose()
    for label in (first, LATEST):
        target = Target("support", 1, label)
        proposal = environment.controller.contexts["support"].build_proposal(NAME, target)
        environment.store.request([ReconcileRequest(proposal, target)])
        environment.settle_looks()
    reasons = [environment.standing().reason]
    for _ in range(2):
        environment.sweep()
        reasons.append(environment.standing().reason)

    assert (published(environment)[2:], prod_on(environment)) == (["Answer safely."], 3)
    assert environment.repository.open() == []
    comments = [
        said
        for pull in environment.repository.every(environment.branch())
        for said in environment.repository.comments(pull.number)
    ]
    named = "It showed version 2, which stays" if is_proposed or first == LATEST else "overtaken by"
    assert any(named in said for said in [*reasons, *comments])


@on_every_forge
def test_a_new_file_for_a_label_that_went_with_its_file_sets_the_label_again(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.registry.delete_label(1, "prod")
    environment.settle()
    environment.sweep()
    environment.repository.merge(environment.pull_request())
    environment.sweep()

    promote(environment)
    environment.sweep()

    assert (published(environment), prod_on(environment)) == (["Answer kindly."], 1)
    assert environment.repository.open() == []


@on_every_forge
@pytest.mark.parametrize("lose", [nothing, database, record])
def test_a_new_file_for_a_label_whose_file_was_declined_is_published(
    make_world: MakeWorld, lose: Lose
) -> None:
    environment = started(make_world(BOTH))
    environment.registry.move_label(1, "prod", 1)
    environment.sweep()
    environment.repository.close(environment.pull_request().number)
    edited(environment, "kindly", "briefly")
    environment.sweep()
    lose(environment)

    promote(environment)
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert (prod_on(environment), environment.repository.open()) == (2, [])


@on_every_forge
def test_what_was_published_again_is_the_newest_agreement(make_world: MakeWorld) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.save("Answer at length.")
    environment.registry.move_label(1, "prod", 2)
    environment.sweep()
    (pull,) = (each for each in environment.repository.open() if "/prod/" in each.head_branch)
    text = environment.repository.text(PROD, pull.head_branch) or ""
    kept = text.replace("Answer at length.", "Answer kindly.")
    environment.repository.commit({PROD: kept.encode()}, pull.head_branch)
    environment.repository.merge(environment.repository.newest(pull.head_branch))
    environment.sweep()
    assert (prod_on(environment), environment.says(PROD)) == (1, "Answer kindly.")

    edited(environment, "kindly", "briefly", PROD)
    environment.sweep()

    assert published(environment)[2:] == ["Answer briefly."]
    assert prod_on(environment) == 3


@on_every_forge
def test_a_label_that_came_back_is_not_moved_by_a_new_file_that_says_something_else(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.registry.delete_label(1, "prod")
    environment.sweep()
    environment.repository.merge(environment.pull_request())
    edited(environment, "kindly", "briefly")
    environment.sweep()

    environment.registry.move_label(1, "prod", 1)
    promote(environment)
    environment.sweep()

    assert prod_on(environment) == 1
    assert environment.proposed(PROD) == "Answer kindly."
