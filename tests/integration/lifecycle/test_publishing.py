"""The way back: what is merged becomes a version in PromptLayer."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.sandbox.registry_entries import DEFAULT_EDITOR
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld

PUBLISH = {"publish": True}


def edited(environment: BridgeEnvironment, old: str, new: str, path: str = PATH) -> None:
    """An engineer's edit is merged."""
    text = environment.repository.text(path)
    assert text is not None
    assert old in text
    environment.repository.commit({path: text.replace(old, new).encode()})


def published(environment: BridgeEnvironment, name: str = NAME) -> list[str]:
    """What each version of a prompt says, the oldest first."""
    versions = environment.registry.find_entry(name).versions
    return [version.template["messages"][0]["content"][0]["text"] for version in versions]


def test_an_edit_that_is_merged_becomes_a_version(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()

    edited(environment, "kindly", "briefly")
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert environment.standing().kind is ReconcileOutcomeKind.PUBLISHED
    stamp = (environment.registry.find_entry(NAME).versions[-1].metadata or {})[
        "promptlayer_bridge"
    ]
    assert stamp["path"] == PATH
    assert len(stamp["commit"]) == 40


def test_what_was_published_comes_back_as_an_event_and_ends_there(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.sweep()

    environment.settle()
    environment.sweep()
    environment.settle()

    assert len(published(environment)) == 2
    assert environment.repository.open() == []


def test_an_edit_after_a_publication_is_proposed_as_any_other(make_world: MakeWorld) -> None:
    """The file still names the version it was edited from; that must not read as a conflict."""
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.sweep()

    environment.save("Answer at length.")
    environment.settle()

    assert environment.proposed() == "Answer at length."
    assert "edited in the repository" not in environment.pull_request().body


def test_without_publish_nothing_is_written_to_promptlayer(make_world: MakeWorld) -> None:
    environment = make_world({})
    environment.save("Answer kindly.")
    environment.adopt()

    edited(environment, "kindly", "briefly")
    environment.sweep()

    assert published(environment) == ["Answer kindly."]


def test_disjoint_edits_of_both_sides_meet_in_a_proposal_and_then_in_a_version(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "{question}", "{question} Thanks.")
    environment.save("Answer briefly.")
    environment.settle()
    assert environment.says() == "Answer kindly."

    assert environment.proposed() == "Answer briefly."
    assert "{question} Thanks." in (
        environment.repository.text(PATH, environment.pull_request().head_branch) or ""
    )
    environment.repository.merge(environment.pull_request())
    environment.sweep()

    newest = environment.registry.find_entry(NAME).latest.template["messages"]
    assert newest[0]["content"][0]["text"] == "Answer briefly."
    assert newest[1]["content"][0]["text"] == "{question} Thanks."
    environment.settle()
    assert environment.repository.open() == []


def test_overlapping_edits_become_a_pull_request_that_shows_both_texts(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.save("Answer at length.")
    environment.settle()

    body = environment.pull_request().body
    assert "Answer briefly." in body
    assert "Answer at length." in body
    assert "both sides" in body.lower()
    assert published(environment)[-1] == "Answer at length."
    assert environment.says() == "Answer briefly."


def test_a_label_that_a_file_tracks_moves_to_the_new_version(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"], **PUBLISH})
    id = environment.save("Answer kindly.", labels=["prod"])
    environment.save("Answer at length.")
    path = PATH.replace("latest", "prod")
    environment.adopt(path, label="prod", prompt_id=id)

    edited(environment, "kindly", "briefly", path)
    environment.sweep()

    assert published(environment)[-1] == "Answer briefly."
    assert environment.registry.find_entry(NAME).labels["prod"].version == 3


def test_a_file_without_an_id_becomes_one_prompt_and_learns_its_id(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    path = PATH.replace("reply", "greet")
    text = (
        (environment.repository.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    )
    environment.repository.commit(
        {path: text.replace(NAME, NAME.replace("reply", "greet")).encode()}
    )

    environment.sweep()
    environment.sweep()
    environment.settle()

    assert published(environment, NAME.replace("reply", "greet")) == ["Answer kindly."]
    assert environment.held(path, environment.pull_request().head_branch).id == 2


@pytest.mark.parametrize(
    ("prod", "versions"), [("kindly", ["kindly"]), ("briefly", ["briefly", "kindly"])]
)
def test_files_of_two_labels_become_one_prompt_whose_newest_version_is_that_of_latest(
    make_world: MakeWorld, prod: str, versions: list[str]
) -> None:
    environment = make_world({"track": ["latest", "prod"], **PUBLISH})
    environment.save("Answer kindly.")
    environment.adopt()
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (
        (environment.repository.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    )
    latest = text.replace(NAME, name)
    other = latest.replace("label: latest", "label: prod").replace("kindly", prod)
    environment.repository.commit(
        {path: latest.encode(), path.replace("latest", "prod"): other.encode()}
    )

    environment.sweep()

    assert published(environment, name) == [f"Answer {each}." for each in versions]
    assert environment.registry.find_entry(name).labels["prod"].version == 1


def test_edits_of_two_labels_files_are_two_versions_of_which_that_of_latest_is_the_newest(
    make_world: MakeWorld,
) -> None:
    group = {"pull_request": {"group": "mapping"}}
    environment = make_world({"track": ["latest", "prod"], **PUBLISH, **group})
    environment.save("Answer kindly.", labels=["prod"])
    prod = PATH.replace("latest", "prod")
    environment.adopt()
    environment.adopt(prod, label="prod")
    edits = {PATH: "briefly", prod: "at length"}
    texts = {path: environment.repository.text(path) or "" for path in edits}
    environment.repository.commit({p: texts[p].replace("kindly", edits[p]).encode() for p in edits})

    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert environment.registry.find_entry(NAME).labels["prod"].version == 2
    environment.settle()
    assert environment.repository.open() == []


def test_a_version_that_somebody_saved_a_moment_ago_is_not_overwritten(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.registry.save_version(NAME, {"type": "chat", "messages": []}, actor=DEFAULT_EDITOR)

    environment.sweep()

    assert environment.registry.find_entry(NAME).latest.number == 2


def test_a_file_that_cannot_be_read_is_parked_with_its_line(make_world: MakeWorld) -> None:
    """Whoever broke it wanted to say something: it is not written over."""
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "role: system", "role: emperor")

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert environment.standing().reason.startswith(f"{PATH}:")
    assert "emperor" in environment.standing().reason
    edited(environment, "role: emperor", "role: system")
    environment.sweep()
    assert environment.proposed() == "Answer briefly."


def test_where_nothing_is_published_a_file_that_cannot_be_read_is_proposed_anew(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "role: system", "role: emperor")

    environment.sweep()

    assert environment.proposed() == "Answer kindly."
