"""Files that people edited in the repository."""

from __future__ import annotations

from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.world import NAME, PATH, World


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def in_step(world: World, text: str) -> None:
    """The prompt says ``text`` on both sides."""
    world.save(text)
    world.adopt()


def test_a_file_edited_in_the_repository_is_left_alone(world: World) -> None:
    in_step(world, "Answer kindly.")
    edited = world.place.text(PATH)
    assert edited is not None
    world.place.commit({PATH: edited.replace("kindly", "warmly").encode()})

    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REPOSITORY_AHEAD


def test_a_pull_request_overtaken_by_the_repository_is_withdrawn(world: World) -> None:
    """Somebody takes the version over by hand and improves it before anybody merged."""
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    opened = world.pull_request()
    taken = world.place.text(PATH, opened.head)
    assert taken is not None
    world.place.commit({PATH: taken.encode()})
    world.place.commit({PATH: taken.replace("briefly", "very briefly").encode()})

    world.sweep()

    assert world.place.open() == []
    assert "edited in the repository" in world.place.comments(opened.number)[0]


def test_the_number_in_a_file_is_no_proof_that_a_version_was_taken_over(world: World) -> None:
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    text = (world.place.text(PATH) or "").replace("version: 1", "version: 2")
    world.place.commit({PATH: text.replace("kindly", "warmly").encode()})

    world.sweep()

    assert world.proposed() == "Answer briefly."
    assert "edited in the repository too" in world.pull_request().body


def test_when_both_sides_moved_the_proposal_says_what_it_overwrites(world: World) -> None:
    in_step(world, "Answer kindly.")
    edited = world.place.text(PATH)
    assert edited is not None
    world.place.commit({PATH: edited.replace("kindly", "warmly").encode()})

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert "edited in the repository too" in world.pull_request().body


def test_comments_of_engineers_survive_an_update(world: World) -> None:
    in_step(world, "Answer kindly.")
    text = world.place.text(PATH)
    assert text is not None
    world.place.commit({PATH: text.replace("messages:", "# Ask Ada first.\nmessages:").encode()})

    propose(world, "Answer briefly.")

    proposed = world.place.text(PATH, world.pull_request().head)
    assert proposed is not None
    assert "# Ask Ada first.\n" in proposed
    assert world.proposed() == "Answer briefly."
    assert "edited in the repository too" not in world.pull_request().body


def test_a_prompt_that_changes_only_in_number_is_in_step(world: World) -> None:
    in_step(world, "Answer kindly.")

    propose(world, "Answer kindly.")

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.IN_STEP
    assert world.registry.entry_named(NAME).latest.number == 2
