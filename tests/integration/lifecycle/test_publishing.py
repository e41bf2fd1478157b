"""The way back: what is merged becomes a version in PromptLayer."""

from __future__ import annotations

import pytest

from bridge.prompts.outcome import OutcomeKind
from bridge.sandbox.entries import ADA
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

PUBLISH = {"publish": True}


def edited(world: World, old: str, new: str, path: str = PATH) -> None:
    """An engineer's edit is merged."""
    text = world.place.text(path)
    assert text is not None
    assert old in text
    world.place.commit({path: text.replace(old, new).encode()})


def published(world: World, name: str = NAME) -> list[str]:
    """What each version of a prompt says, the oldest first."""
    versions = world.registry.entry(name).versions
    return [version.template["messages"][0]["content"][0]["text"] for version in versions]


def test_an_edit_that_is_merged_becomes_a_version(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()

    edited(world, "kindly", "briefly")
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]
    assert world.standing().kind is OutcomeKind.PUBLISHED
    stamp = (world.registry.entry(NAME).versions[-1].metadata or {})["promptlayer_bridge"]
    assert stamp["path"] == PATH
    assert len(stamp["commit"]) == 40


def test_what_was_published_comes_back_as_an_event_and_ends_there(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.sweep()

    world.settle()
    world.sweep()
    world.settle()

    assert len(published(world)) == 2
    assert world.place.open() == []


def test_an_edit_after_a_publication_is_proposed_as_any_other(make_world: MakeWorld) -> None:
    """The file still names the version it was edited from; that must not read as a conflict."""
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.sweep()

    world.save("Answer at length.")
    world.settle()

    assert world.proposed() == "Answer at length."
    assert "edited in the repository" not in world.pull_request().body


def test_without_publish_nothing_is_written_to_promptlayer(make_world: MakeWorld) -> None:
    world = make_world({})
    world.save("Answer kindly.")
    world.adopt()

    edited(world, "kindly", "briefly")
    world.sweep()

    assert published(world) == ["Answer kindly."]


def test_disjoint_edits_of_both_sides_meet_in_a_proposal_and_then_in_a_version(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "{question}", "{question} Thanks.")
    world.save("Answer briefly.")
    world.settle()
    assert world.says() == "Answer kindly."

    assert world.proposed() == "Answer briefly."
    assert "{question} Thanks." in (world.place.text(PATH, world.pull_request().head) or "")
    world.place.merge(world.pull_request())
    world.sweep()

    newest = world.registry.entry(NAME).latest.template["messages"]
    assert newest[0]["content"][0]["text"] == "Answer briefly."
    assert newest[1]["content"][0]["text"] == "{question} Thanks."
    world.settle()
    assert world.place.open() == []


def test_overlapping_edits_become_a_pull_request_that_shows_both_texts(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.save("Answer at length.")
    world.settle()

    body = world.pull_request().body
    assert "Answer briefly." in body
    assert "Answer at length." in body
    assert "both sides" in body.lower()
    assert published(world)[-1] == "Answer at length."
    assert world.says() == "Answer briefly."


def test_a_label_that_a_file_tracks_moves_to_the_new_version(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"], **PUBLISH})
    id = world.save("Answer kindly.", labels=["prod"])
    world.save("Answer at length.")
    path = PATH.replace("latest", "prod")
    world.adopt(path, label="prod", prompt_id=id)

    edited(world, "kindly", "briefly", path)
    world.sweep()

    assert published(world)[-1] == "Answer briefly."
    assert world.registry.entry(NAME).labels["prod"].version == 3


def test_a_file_without_an_id_becomes_one_prompt_and_learns_its_id(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    path = PATH.replace("reply", "greet")
    text = (world.place.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    world.place.commit({path: text.replace(NAME, NAME.replace("reply", "greet")).encode()})

    world.sweep()
    world.sweep()
    world.settle()

    assert published(world, NAME.replace("reply", "greet")) == ["Answer kindly."]
    assert world.held(path, world.pull_request().head).id == 2


@pytest.mark.parametrize(
    ("prod", "versions"), [("kindly", ["kindly"]), ("briefly", ["briefly", "kindly"])]
)
def test_files_of_two_labels_become_one_prompt_whose_newest_version_is_that_of_latest(
    make_world: MakeWorld, prod: str, versions: list[str]
) -> None:
    world = make_world({"track": ["latest", "prod"], **PUBLISH})
    world.save("Answer kindly.")
    world.adopt()
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (world.place.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    latest = text.replace(NAME, name)
    other = latest.replace("label: latest", "label: prod").replace("kindly", prod)
    world.place.commit({path: latest.encode(), path.replace("latest", "prod"): other.encode()})

    world.sweep()

    assert published(world, name) == [f"Answer {each}." for each in versions]
    assert world.registry.entry(name).labels["prod"].version == 1


def test_edits_of_two_labels_files_are_two_versions_of_which_that_of_latest_is_the_newest(
    make_world: MakeWorld,
) -> None:
    group = {"pull_request": {"group": "mapping"}}
    world = make_world({"track": ["latest", "prod"], **PUBLISH, **group})
    world.save("Answer kindly.", labels=["prod"])
    prod = PATH.replace("latest", "prod")
    world.adopt()
    world.adopt(prod, label="prod")
    edits = {PATH: "briefly", prod: "at length"}
    texts = {path: world.place.text(path) or "" for path in edits}
    world.place.commit({p: texts[p].replace("kindly", edits[p]).encode() for p in edits})

    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert world.registry.entry(NAME).labels["prod"].version == 2
    world.settle()
    assert world.place.open() == []


def test_a_version_that_somebody_saved_a_moment_ago_is_not_overwritten(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.registry.save(NAME, {"type": "chat", "messages": []}, actor=ADA)

    world.sweep()

    assert world.registry.entry(NAME).latest.number == 2


def test_a_file_that_cannot_be_read_is_parked_with_its_line(make_world: MakeWorld) -> None:
    """Whoever broke it wanted to say something: it is not written over."""
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "role: system", "role: emperor")

    world.save("Answer briefly.")
    world.settle()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.PARKED
    assert world.standing().reason.startswith(f"{PATH}:")
    assert "emperor" in world.standing().reason
    edited(world, "role: emperor", "role: system")
    world.sweep()
    assert world.proposed() == "Answer briefly."


def test_where_nothing_is_published_a_file_that_cannot_be_read_is_proposed_anew(
    world: World,
) -> None:
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "role: system", "role: emperor")

    world.sweep()

    assert world.proposed() == "Answer kindly."
