"""Files that people edited in the repository."""

from __future__ import annotations

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment


def in_step(environment: BridgeEnvironment, text: str) -> None:
    """The prompt says ``text`` on both sides."""
    environment.save(text)
    environment.adopt()


def test_a_file_edited_in_the_repository_is_left_alone(environment: BridgeEnvironment) -> None:
    in_step(environment, "Answer kindly.")
    edited = environment.repository.text(PATH)
    assert edited is not None
    environment.repository.commit({PATH: edited.replace("kindly", "warmly").encode()})

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REPOSITORY_AHEAD


def test_a_pull_request_overtaken_by_the_repository_is_withdrawn(
    environment: BridgeEnvironment,
) -> None:
    """Somebody takes the version over by hand and improves it before anybody merged."""
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    opened = environment.pull_request()
    taken = environment.repository.text(PATH, opened.head_branch)
    assert taken is not None
    environment.repository.commit({PATH: taken.encode()})
    environment.repository.commit({PATH: taken.replace("briefly", "very briefly").encode()})

    environment.sweep()

    assert environment.repository.open() == []
    assert "edited in the repository" in environment.repository.comments(opened.number)[0]


def test_the_number_in_a_file_is_no_proof_that_a_version_was_taken_over(
    environment: BridgeEnvironment,
) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    text = (environment.repository.text(PATH) or "").replace("version: 1", "version: 2")
    environment.repository.commit({PATH: text.replace("kindly", "warmly").encode()})

    environment.sweep()

    assert environment.proposed() == "Answer briefly."
    assert "edited in the repository too" in environment.pull_request().body


def test_when_both_sides_moved_the_proposal_says_what_it_overwrites(
    environment: BridgeEnvironment,
) -> None:
    in_step(environment, "Answer kindly.")
    edited = environment.repository.text(PATH)
    assert edited is not None
    environment.repository.commit({PATH: edited.replace("kindly", "warmly").encode()})

    environment.propose("Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert "edited in the repository too" in environment.pull_request().body


def test_comments_of_engineers_survive_an_update(environment: BridgeEnvironment) -> None:
    in_step(environment, "Answer kindly.")
    text = environment.repository.text(PATH)
    assert text is not None
    environment.repository.commit(
        {PATH: text.replace("messages:", "# Ask Ada first.\nmessages:").encode()}
    )

    environment.propose("Answer briefly.")

    proposed = environment.repository.text(PATH, environment.pull_request().head_branch)
    assert proposed is not None
    assert "# Ask Ada first.\n" in proposed
    assert environment.proposed() == "Answer briefly."
    assert "edited in the repository too" not in environment.pull_request().body


def test_a_prompt_that_changes_only_in_number_is_in_step(environment: BridgeEnvironment) -> None:
    in_step(environment, "Answer kindly.")

    environment.propose("Answer kindly.")

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.IN_STEP
    assert environment.registry.find_entry_by_name(NAME).latest.number == 2
