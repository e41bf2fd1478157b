"""The way back in an ordinary week: who moved is told by the last state at which both sides said
the same, whoever brought it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.engine.ledger import Ask
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.sandbox.entries import chat
from tests.contract.case import MergeHow
from tests.integration.lifecycle.forge_news import ForgeNews
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World
from tests.standins.git_http import git

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
every_merge = pytest.mark.parametrize("how", ["merge", "squash", "rebase"])

PROD = PATH.replace("latest", "prod")
BOTH = {"track": [LATEST, "prod"], **PUBLISH}
Lose = Callable[[World], None]


def nothing(_: World) -> None:
    """Nothing is lost."""


def database(world: World) -> None:
    """The bridge's disk is lost, and the record in the repository is not."""
    world.forget_everything()


def record(world: World) -> None:
    """The record in the repository is lost, and the bridge's disk too."""
    world.forget_everything()
    refs = git(
        world.place.repository, "for-each-ref", "--format=%(refname)", "refs/promptlayer-bridge"
    )
    for ref in refs.split():
        git(world.place.repository, "update-ref", "-d", ref)


def record_and_stamps(world: World) -> None:
    """PromptLayer drops the metadata of published versions besides."""
    record(world)
    for entry in world.registry.entries.values():
        for version in entry.versions:
            (version.metadata or {}).pop("promptlayer_bridge", None)


LOSSES = (nothing, database, record, record_and_stamps)
whatever_is_lost = pytest.mark.parametrize("lose", LOSSES)
everywhere_and_whatever_is_lost = pytest.mark.parametrize(
    ("forge_name", "lose"),
    [*(("local", lose) for lose in LOSSES), ("github", nothing), ("gitlab", database)],
)


everywhere_and_whatever_is_lost_but_stamps = pytest.mark.parametrize(
    ("forge_name", "lose"),
    [
        ("local", nothing),
        ("local", database),
        ("local", record),
        ("github", nothing),
        ("gitlab", nothing),
    ],
)


def started(world: World, text: str = "Answer kindly.", **more: Any) -> World:
    """A prompt that was saved, proposed and merged."""
    world.save(text, **more)
    world.settle()
    for pull in world.place.open():
        world.place.merge(pull, "squash")
    world.sweep()
    assert world.place.open() == []
    return world


def prod_on(world: World) -> int:
    return world.registry.entry(NAME).labels["prod"].version


@everywhere_and_whatever_is_lost
def test_a_second_edit_in_a_row_becomes_a_second_version(make_world: MakeWorld, lose: Lose) -> None:
    world = started(make_world(PUBLISH))
    edited(world, "kindly", "briefly")
    world.sweep()
    lose(world)

    edited(world, "briefly", "at length")
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert world.place.open() == []


@everywhere_and_whatever_is_lost
def test_the_revert_of_a_published_edit_becomes_a_version_with_the_old_text(
    make_world: MakeWorld, lose: Lose
) -> None:
    world = started(make_world(PUBLISH))
    edited(world, "kindly", "briefly")
    world.sweep()
    lose(world)

    world.place.revert()
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer kindly."]
    assert world.place.open() == []


@every_merge
@everywhere_and_whatever_is_lost
def test_the_revert_of_a_merged_proposal_becomes_a_version_with_the_old_text(
    make_world: MakeWorld, lose: Lose, how: MergeHow
) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    world.place.merge(world.pull_request(), how)
    lose(world)

    world.place.revert()  # before anybody looked
    world.sweep()
    world.sweep()

    assert world.says() == "Answer kindly."
    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer kindly."]
    assert world.place.open() == []


@on_every_forge
def test_the_edit_of_a_merged_proposal_that_nobody_looked_at_is_published(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    world.place.merge(world.pull_request(), "squash")

    edited(world, "briefly", "at length")
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert world.place.open() == []


@everywhere_and_whatever_is_lost_but_stamps
def test_a_label_that_was_moved_back_is_proposed_and_never_moved_again(
    make_world: MakeWorld, lose: Lose
) -> None:
    world = started(make_world({"track": ["prod"], **PUBLISH}), labels=["prod"])
    edited(world, "kindly", "rudely", PROD)
    world.sweep()
    assert prod_on(world) == 2

    world.registry.move_label(1, "prod", 1)
    lose(world)
    for _ in range(3):
        world.sweep()
        world.settle()

    assert prod_on(world) == 1
    assert published(world) == ["Answer kindly.", "Answer rudely."]
    assert world.proposed(PROD) == "Answer kindly."
    world.place.merge(world.pull_request())
    world.sweep()
    assert (prod_on(world), world.place.open()) == (1, [])


@on_every_forge
def test_what_a_reviewer_kept_in_a_conflict_is_published_and_released(
    make_world: MakeWorld,
) -> None:
    world = started(make_world({**PUBLISH, "on_merge": {"move_label": "prod"}}))
    edited(world, "kindly", "briefly")
    world.save("Answer at length.")
    world.settle()
    pull = world.pull_request()
    assert world.proposed() == "Answer at length."

    kept = (world.place.text(PATH, pull.head) or "").replace("at length", "briefly")
    world.place.commit({PATH: kept.encode()}, pull.head)
    world.place.merge(world.pull_request())
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert prod_on(world) == 3
    assert world.place.open() == []


@on_every_forge
def test_what_a_reviewer_wrote_into_a_proposal_is_published_and_released(
    make_world: MakeWorld,
) -> None:
    world = started(make_world({**PUBLISH, "on_merge": {"move_label": "prod"}}))
    world.save("Answer at length.")
    world.settle()
    pull = world.pull_request()
    text = (world.place.text(PATH, pull.head) or "").replace("at length", "well")
    world.place.commit({PATH: text.encode()}, pull.head)

    world.place.merge(world.pull_request())
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer at length.", "Answer well."]
    assert prod_on(world) == 3


@everywhere_and_whatever_is_lost_but_stamps
def test_what_is_merged_after_a_decline_is_published(make_world: MakeWorld, lose: Lose) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    world.place.close(world.pull_request().number)
    world.sweep()
    assert world.standing().kind is OutcomeKind.REJECTED
    lose(world)

    edited(world, "kindly", "at length")
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert world.place.open() == []


@on_every_forge
def test_a_decline_stands_as_long_as_the_file_says_the_same(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    world.place.close(world.pull_request().number)

    for _ in range(2):
        world.sweep()
        world.place.commit({"src/bot.py": b"print()\n"})

    assert world.standing().kind is OutcomeKind.REJECTED
    assert len(published(world)) == 2
    assert world.place.open() == []


@whatever_is_lost
@pytest.mark.parametrize("line", ["version: 9\n", "version: 2\n", ""])
def test_the_number_in_a_file_says_nothing_of_what_was_edited(
    make_world: MakeWorld, lose: Lose, line: str
) -> None:
    world = started(make_world(PUBLISH))
    lose(world)
    text = (world.place.text(PATH) or "").replace("version: 1\n", line).replace("kindly", "briefly")
    world.place.commit({PATH: text.encode()})

    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]
    assert world.place.open() == []


@dataclass(frozen=True)
class Promotion:
    """How an engineer copies the file of latest over that of prod."""

    literal: bool

    def of(self, text: str) -> bytes:
        return (text if self.literal else text.replace("label: latest", "label: prod")).encode()


every_promotion = pytest.mark.parametrize(
    "promotion", [Promotion(literal=False), Promotion(literal=True)], ids=["edited", "literal"]
)


def two_labels(world: World) -> World:
    """Latest says something new on both sides, prod says what it said before."""
    started(world, labels=["prod"])
    world.save("Answer briefly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.sweep()
    assert (world.says(PATH), world.says(PROD)) == ("Answer briefly.", "Answer kindly.")
    return world


@every_promotion
@pytest.mark.parametrize(
    ("forge_name", "lose"),
    [("local", nothing), ("local", database), ("github", nothing), ("gitlab", nothing)],
)
def test_a_promotion_by_copy_moves_the_label_and_makes_no_version(
    make_world: MakeWorld, promotion: Promotion, lose: Lose
) -> None:
    world = two_labels(make_world(BOTH))
    lose(world)

    world.place.commit({PROD: promotion.of(world.place.text(PATH) or "")})
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]
    assert prod_on(world) == 2
    for pull in world.place.open():
        assert world.says(PROD, pull.head) == "Answer briefly."
        assert "label: prod" in (world.place.text(PROD, pull.head) or "")
        world.place.merge(pull)
    world.sweep()
    assert world.place.open() == []
    assert (world.says(PATH), world.says(PROD)) == ("Answer briefly.", "Answer briefly.")


@on_every_forge
def test_a_rollback_in_git_moves_the_label_back_and_makes_no_version(
    make_world: MakeWorld,
) -> None:
    world = two_labels(make_world(BOTH))
    world.place.commit({PROD: Promotion(literal=False).of(world.place.text(PATH) or "")})
    world.sweep()
    assert prod_on(world) == 2

    world.place.revert()
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]
    assert prod_on(world) == 1
    assert world.place.open() == []


@on_every_forge
@pytest.mark.parametrize(
    ("promotion", "id"),
    [
        (Promotion(literal=False), "with its id"),
        (Promotion(literal=False), "without an id"),
        (Promotion(literal=True), "with its id"),
    ],
    ids=["edited", "without an id", "literal"],
)
def test_a_first_release_by_a_new_file_sets_the_label(
    make_world: MakeWorld, promotion: Promotion, id: str
) -> None:
    world = started(make_world(BOTH))
    text = world.place.text(PATH) or ""
    if id == "without an id":
        text = text.replace("id: 1\n", "")
    world.place.commit({PROD: promotion.of(text)})

    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly."]
    assert prod_on(world) == 1
    for pull in world.place.open():
        world.place.merge(pull)
    world.sweep()
    assert world.held(PROD).id == 1
    assert "label: prod" in (world.place.text(PROD) or "")
    assert world.place.open() == []


@on_every_forge
def test_a_label_that_somebody_removed_takes_its_file_with_it(make_world: MakeWorld) -> None:
    world = started(make_world(BOTH), labels=["prod"])

    world.registry.delete_label(1, "prod")
    world.post.lose()
    world.sweep()

    assert "prod" not in world.registry.entry(NAME).labels
    assert world.place.text(PROD, world.pull_request().head) is None


@everywhere_and_whatever_is_lost
def test_a_new_file_that_is_edited_before_it_has_its_id_becomes_the_second_version(
    make_world: MakeWorld, lose: Lose
) -> None:
    world = started(make_world(PUBLISH))
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (world.place.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    world.place.commit({path: text.replace(NAME, name).encode()})
    world.sweep()
    world.sweep()
    lose(world)

    edited(world, "kindly", "briefly", path)
    world.sweep()
    world.sweep()

    assert published(world, name) == ["Answer kindly.", "Answer briefly."]
    pull = world.pull_request()
    assert world.held(path, pull.head).id == 2
    assert world.says(path, pull.head) == "Answer briefly."
    world.place.merge(pull)
    world.sweep()
    assert len(published(world, name)) == 2
    assert world.place.open() == []


@on_every_forge
def test_a_prompt_deleted_there_and_edited_here_needs_a_person_who_is_told_both(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    edited(world, "kindly", "briefly")
    world.registry.delete(1)

    world.settle()

    pull = world.pull_request()
    assert world.place.text(PATH, pull.head) is None
    assert "edited in the repository" in pull.body
    assert "edited in the repository" in world.standing().reason


@on_every_forge
def test_a_file_removed_here_and_a_text_saved_there_is_proposed_again_saying_so(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    world.place.commit({PATH: None})
    world.sweep()
    assert world.place.open() == []

    world.save("Answer briefly.")
    world.settle()

    assert world.proposed() == "Answer briefly."
    assert "removed from the repository" in world.pull_request().body


def without_stamps(world: World) -> None:
    for entry in world.registry.entries.values():
        for version in entry.versions:
            (version.metadata or {}).pop("promptlayer_bridge", None)


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_a_draft_that_a_hotfix_of_prods_file_went_over_is_named(
    make_world: MakeWorld, drop: Lose
) -> None:
    world = started(make_world(BOTH), labels=["prod"])
    world.save("Answer with a draft.")
    world.settle()
    edited(world, "kindly", "safely", PROD)

    world.sweep()
    drop(world)
    world.sweep()

    assert published(world)[1:] == ["Answer with a draft.", "Answer safely."]
    assert prod_on(world) == 3
    pull = world.pull_request()
    assert world.says(PATH, pull.head) == "Answer safely."
    assert "version 2 of" in pull.body
    assert "overtaken by version 3" in pull.body
    assert "version 2 was overtaken" in world.standing().reason


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_edits_of_two_labels_files_are_two_versions_whichever_is_looked_at_first(
    make_world: MakeWorld, drop: Lose
) -> None:
    world = started(make_world(BOTH), labels=["prod"])
    for path, word in ((PROD, "at length"), (PATH, "briefly")):
        edited(world, "kindly", word, path)
    prod = world.worker.sites["support"].proposal(NAME, Target("support", 1, "prod"))
    world.ledger.ask([Ask(prod, Target("support", 1, "prod"))])
    world.settle_looks()
    drop(world)

    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert (prod_on(world), world.place.open()) == (2, [])


@on_every_forge
def test_a_reviewers_own_text_survives_what_was_saved_before_the_merge(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    pull = world.pull_request()
    text = (world.place.text(PATH, pull.head) or "").replace("{question}", "{question} Thanks.")
    world.save("Answer at length.")
    world.post.lose()
    world.place.commit({PATH: text.encode()}, pull.head)
    world.place.merge(world.pull_request())

    world.sweep()

    pull = world.pull_request()
    assert world.says(PATH, pull.head) == "Answer at length."
    assert "{question} Thanks." in (world.place.text(PATH, pull.head) or "")


@on_every_forge
def test_a_declined_conflict_does_not_lose_the_edit_when_the_next_version_is_saved(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    edited(world, "kindly", "briefly")
    world.save("Answer at length.")
    world.settle()
    world.place.close(world.pull_request().number)
    world.sweep()
    assert published(world) == ["Answer kindly.", "Answer at length."]

    world.save("Answer in verse.")
    world.settle()

    body = world.pull_request().body
    assert "Answer briefly." in body
    assert "Answer in verse." in body


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_an_edit_and_its_promotion_in_one_push_are_one_version_that_prod_is_on(
    make_world: MakeWorld, drop: Lose
) -> None:
    world = started(make_world(BOTH), labels=["prod"])
    edit = (world.place.text(PATH) or "").replace("kindly", "briefly")
    world.place.commit({PATH: edit.encode(), PROD: Promotion(literal=False).of(edit)})
    latest = Target("support", 1, LATEST)
    world.ledger.ask([Ask(world.worker.sites["support"].proposal(NAME, latest), latest)])
    world.settle_looks()
    drop(world)

    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]
    assert (prod_on(world), world.place.open()) == (2, [])


@on_every_forge
def test_a_prompt_that_moved_on_both_sides_keeps_its_ancestor(make_world: MakeWorld) -> None:
    """Renamed in PromptLayer, and its file moved elsewhere in git: neither hides an edit."""
    world = started(make_world(PUBLISH))
    elsewhere = "prompts/latest/by-hand/greeting.yaml"
    text = world.place.text(PATH) or ""
    world.place.commit({PATH: None, elsewhere: text.replace("kindly", "briefly").encode()})
    world.registry.rename(1, "support/answer")

    world.settle()
    world.sweep()

    assert published(world, "support/answer") == ["Answer kindly.", "Answer briefly."]
    assert world.says(elsewhere, world.pull_request().head) == "Answer briefly."


def test_a_push_to_a_new_file_without_its_id_is_published_at_once(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    news = ForgeNews(world)
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (world.place.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    world.place.commit({path: text.replace(NAME, name).encode()})
    news.rest()

    edited(world, "kindly", "briefly", path)
    news.rest()

    assert published(world, name) == ["Answer kindly.", "Answer briefly."]
    assert world.says(path, world.pull_request().head) == "Answer briefly."


def test_a_push_of_a_first_release_sets_the_label_at_once(make_world: MakeWorld) -> None:
    world = started(make_world(BOTH))
    news = ForgeNews(world)

    text = (world.place.text(PATH) or "").replace("id: 1\n", "")
    world.place.commit({PROD: Promotion(literal=False).of(text)})
    news.rest()

    assert prod_on(world) == 1


@on_every_forge
def test_what_a_reviewer_refused_does_not_come_back_with_the_next_version(
    make_world: MakeWorld,
) -> None:
    world = started(make_world(PUBLISH))
    before = world.place.text(PATH) or ""
    world.save("Answer rudely.")
    world.settle()
    pull = world.pull_request()
    world.registry.save(NAME, chat(("system", "Answer rudely."), ("user", "{question} Thanks.")))
    world.post.lose()
    kept = before.replace("version: 1\n", "version: 2\n")
    world.place.commit({PATH: kept.encode()}, pull.head)
    world.place.merge(world.pull_request())

    world.sweep()

    pull = world.pull_request()
    assert world.says(PATH, pull.head) == "Answer kindly."
    assert "{question} Thanks." in (world.place.text(PATH, pull.head) or "")
