"""What people do to the bridge's branch, in every way that git has, is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.pull_request.metadata import parse_metadata
from tests.integration.lifecycle.bridge_environment import (
    BOB,
    PATH,
    BridgeEnvironment,
    MakeWorld,
    lines,
)
from tests.integration.lifecycle.clone import Clone
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, published

pytestmark = pytest.mark.parametrize("forge_name", FORGES)
NEW_NAME, NEW_PATH = "support/answer", "prompts/latest/support/answer.yaml"
ROLLING = {"pull_request": {"group": "mapping"}}


@pytest.fixture
def sam(environment: BridgeEnvironment, tmp_path: Path) -> Clone:
    return Clone(environment.repository.repository, tmp_path / "sam")


def propose(environment: BridgeEnvironment, text: str) -> str:
    """Save a text; the branch that proposes it."""
    environment.save(text)
    environment.settle()
    return environment.pull_request().head_branch


def with_edit(
    environment: BridgeEnvironment, old: str, new: str, path: str = PATH
) -> dict[str, str | None]:
    """The file as it is proposed, with a person's word in it."""
    text = environment.repository.text(path, environment.pull_request().head_branch)
    assert text is not None
    assert old in text
    return {path: text.replace(old, new, 1)}


# Rewritten


def test_an_amended_text_stays_when_nothing_is_saved(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, "Answer kindly.")
    sam.amend(branch, with_edit(environment, "kindly", "warmly"))
    head = environment.repository.head(branch)

    environment.sweep()

    assert environment.repository.head(branch) == head
    assert environment.proposed() == "Answer warmly."
    assert "edited by **Sam Person**" in environment.pull_request().body


def test_an_amended_text_is_merged_with_the_next_version(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, lines())
    sam.amend(branch, with_edit(environment, "      a\n", "      A of Sam\n"))

    propose(environment, lines(g="G of Ada"))
    environment.sweep()

    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")
    assert environment.standing().kind is ReconcileOutcomeKind.UNCHANGED
    assert "edited by **Sam Person**" in environment.pull_request().body


def test_a_fix_that_was_squashed_into_the_bridges_commit_stays(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, lines())
    sam.commit(branch, with_edit(environment, "      a\n", "      A of Sam\n"))
    sam.squash(branch, "main")

    environment.sweep()
    assert environment.proposed() == lines(a="A of Sam")

    propose(environment, lines(g="G of Ada"))
    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")


def test_another_message_is_no_conflict_and_stays(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED
    assert "feat(prompts): answer kindly" in environment.repository.log(branch, "%s")
    assert "edited by" not in environment.pull_request().body


def test_a_branch_with_another_message_is_found_without_any_event(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    environment.save("Answer.")
    environment.adopt()
    branch = propose(environment, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")
    environment.save("Answer.")
    environment.post.lose()
    environment.forget_everything()

    environment.sweep()

    assert environment.repository.newest(branch).state is PullRequestState.CLOSED


def test_another_message_over_merged_proposals_is_no_conflict(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    """The base's own history has commits of the bridge too."""
    propose(environment, "Answer.")
    environment.repository.merge(environment.pull_request(), "rebase")
    environment.sweep()
    branch = propose(environment, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")
    environment.forget_everything()

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED


def test_a_rebased_commit_is_the_bridges_still(environment: BridgeEnvironment, sam: Clone) -> None:
    branch = propose(environment, "Answer kindly.")
    environment.repository.commit({"src/bot.py": b"print()\n"})
    assert sam.rebase(branch, "main")

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert len(environment.repository.log(branch, "%H")) == 1


def test_a_base_that_was_merged_in_is_no_edit(environment: BridgeEnvironment, sam: Clone) -> None:
    branch = propose(environment, "Answer kindly.")
    environment.repository.commit({"src/bot.py": b"print()\n"})
    assert sam.merge(branch, "main")

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert environment.repository.text("src/bot.py", branch) == "print()\n"
    assert "edited by" not in environment.pull_request().body


def test_an_edit_is_merged_by_a_bridge_that_lost_its_disk(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, lines())
    sam.amend(branch, with_edit(environment, "      a\n", "      A of Sam\n"))
    environment.forget_everything()

    propose(environment, lines(g="G of Ada"))

    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")


@pytest.mark.parametrize("message", [None, "feat(prompts): answer"])
def test_an_edit_is_merged_on_a_pull_request_of_an_earlier_release(
    environment: BridgeEnvironment, sam: Clone, message: str | None
) -> None:
    """Its hidden line does not say which commit the bridge wrote."""
    branch = propose(environment, lines())
    opened = environment.pull_request()
    metadata = parse_metadata(opened.body)
    assert metadata is not None
    before = replace(metadata, wrote=None).render_hidden_line()
    environment.repository.edit(
        opened, body=opened.body.replace(metadata.render_hidden_line(), before)
    )
    sam.amend(branch, with_edit(environment, "      a\n", "      A of Sam\n"), message)

    environment.sweep()
    assert environment.proposed() == lines(a="A of Sam")

    propose(environment, lines(g="G of Ada"))
    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")


# Merged by meaning


def test_a_comment_beside_the_changed_line_is_no_conflict(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, "Answer kindly.")
    edited = with_edit(
        environment, "  - role: user", "  # The question as it came.\n  - role: user"
    )
    sam.commit(branch, edited)

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    text = environment.repository.text(PATH, branch)
    assert text is not None
    assert "# The question as it came." in text


def test_a_formatters_indent_is_no_conflict(environment: BridgeEnvironment, sam: Clone) -> None:
    branch = propose(environment, "Answer kindly.")
    text = environment.repository.text(PATH, branch)
    assert text is not None
    kept = [
        line.removeprefix("  ") if line[:3] in ("  -", "   ") else line for line in text.split("\n")
    ]
    sam.commit(branch, {PATH: "\n".join(kept)})

    propose(environment, "Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED


def test_the_same_part_changed_by_both_is_asked_about(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, "Answer kindly.")
    sam.amend(branch, with_edit(environment, "kindly", "warmly"))
    head = environment.repository.head(branch)

    propose(environment, "Answer briefly.")
    environment.sweep()

    assert environment.repository.head(branch) == head
    assert environment.standing().kind is ReconcileOutcomeKind.CONFLICT
    (words,) = environment.repository.comments(environment.pull_request().number)
    assert "PromptLayer has a newer text" in words
    assert "Answer briefly." in words
    assert "See it in PromptLayer](https://dashboard.example.com/workspace/" in words


# Renames and deletions


def test_an_edit_moves_along_with_a_rename(environment: BridgeEnvironment, sam: Clone) -> None:
    branch = propose(environment, lines())
    sam.commit(branch, with_edit(environment, "      a\n", "      A of Sam\n"))

    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    assert environment.repository.changed(branch) == {NEW_PATH}
    assert environment.proposed(NEW_PATH) == lines(a="A of Sam")
    assert environment.held(NEW_PATH, branch).name == NEW_NAME


def test_an_edit_that_moved_along_is_published_once_it_is_merged(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    environment = make_world(PUBLISH)
    sam = Clone(environment.repository.repository, tmp_path / "sam")
    branch = propose(environment, lines())
    sam.commit(branch, with_edit(environment, "      a\n", "      A of Sam\n"))
    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    environment.repository.merge(environment.pull_request(), "squash")
    environment.sweep()

    assert published(environment, NEW_NAME) == [lines(), lines(a="A of Sam")]


def test_an_edit_of_an_update_moves_along_with_a_rename(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    environment.save("Answer.")
    environment.adopt()
    branch = propose(environment, lines())
    sam.commit(branch, with_edit(environment, "      a\n", "      A of Sam\n"))

    environment.registry.rename(1, NEW_NAME)
    environment.settle()
    environment.sweep()

    assert environment.repository.changed(branch) == {PATH, NEW_PATH}
    assert environment.proposed(NEW_PATH) == lines(a="A of Sam")
    assert environment.standing().kind is ReconcileOutcomeKind.UNCHANGED


def test_a_file_that_a_person_moved_stays_there(environment: BridgeEnvironment, sam: Clone) -> None:
    branch = propose(environment, "Answer kindly.")
    sam.move(branch, PATH, "prompts/latest/bot/mine.yaml")

    propose(environment, "Answer briefly.")

    assert environment.repository.changed(branch) == {"prompts/latest/bot/mine.yaml"}
    assert environment.proposed("prompts/latest/bot/mine.yaml") == "Answer briefly."
    assert "was moved here" in environment.pull_request().body
    assert "**Sam Person**" in environment.pull_request().body


def test_a_moved_file_is_told_once_and_shown_as_it_is_there(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, lines())
    moved = "prompts/latest/bot/mine.yaml"
    edited = with_edit(environment, "      a\n", "      A of Sam\n")
    sam.commit(branch, {PATH: None, moved: edited[PATH]})

    environment.sweep()

    body = environment.pull_request().body
    assert body.count(moved) == 1
    assert body.count(PATH) == 1  # from where it was moved
    assert "+A of Sam" in body
    assert "not on this branch any more" not in body


def test_a_deletion_says_truly_what_it_meets(environment: BridgeEnvironment, sam: Clone) -> None:
    environment.save("Hello.", "another")
    environment.save("Answer.")
    environment.adopt(prompt_id=2)
    environment.adopt("prompts/latest/another.yaml")
    environment.save("Answer kindly.")
    environment.settle()
    sam.commit(environment.branch(2), with_edit(environment, "kindly", "warmly"))

    environment.registry.delete(2)
    environment.settle()

    assert environment.standing(environment.branch(2)).kind is ReconcileOutcomeKind.CONFLICT
    (words,) = environment.repository.comments(environment.pull_request().number)
    assert "PromptLayer no longer has" in words
    assert "newer text" not in words
    assert environment.proposed() == "Answer warmly."
    assert "was edited by **Sam Person**" in environment.pull_request().body


def test_a_deletion_is_proposed_though_a_person_touched_other_files(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    environment.save("Answer.")
    environment.adopt()
    branch = propose(environment, "Answer kindly.")
    sam.commit(branch, {"tests/test_bot.py": "pass\n"})

    environment.registry.delete(1)
    environment.settle()

    assert environment.repository.text(PATH, branch) is None
    assert environment.repository.text("tests/test_bot.py", branch) == "pass\n"


# Taken out


def test_a_file_taken_out_of_a_rolling_proposal_stays_out_until_it_changes(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    environment = make_world(ROLLING)
    sam = Clone(environment.repository.repository, tmp_path / "sam")
    for name in ("one", "two", "three"):
        environment.save(name, name)
    environment.settle()
    branch = environment.pull_request().head_branch
    sam.commit(branch, {"prompts/latest/two.yaml": None})

    environment.sweep()
    environment.save("three again", "three")
    environment.settle()
    environment.sweep()

    paths = {"prompts/latest/one.yaml", "prompts/latest/three.yaml"}
    assert environment.repository.changed(branch) == paths
    assert (
        "`prompts/latest/two.yaml` was taken out by **Sam Person**"
        in environment.pull_request().body
    )

    environment.save("two again", "two")
    environment.settle()
    assert environment.repository.changed(branch) == {*paths, "prompts/latest/two.yaml"}
    assert "taken out" not in environment.pull_request().body


def test_what_was_taken_out_is_not_proposed_once_the_rest_is_merged(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    environment = make_world(ROLLING)
    sam = Clone(environment.repository.repository, tmp_path / "sam")
    environment.save("one", "one")
    environment.save("two", "two")
    environment.settle()
    branch = environment.pull_request().head_branch
    sam.commit(branch, {"prompts/latest/two.yaml": None})
    environment.sweep()
    environment.repository.merge(environment.pull_request())

    environment.sweep()

    assert environment.repository.open() == []
    environment.save("two again", "two", by=BOB)
    environment.settle()
    assert environment.repository.changed(environment.pull_request().head_branch) == {
        "prompts/latest/two.yaml"
    }


def test_a_proposal_that_a_person_took_back_is_withdrawn_until_it_changes(
    environment: BridgeEnvironment, sam: Clone
) -> None:
    branch = propose(environment, "Answer kindly.")
    opened = environment.pull_request()
    assert sam.revert(branch)

    environment.sweep()
    environment.sweep()

    assert environment.repository.open() == []
    assert environment.repository.newest(branch).state is PullRequestState.CLOSED
    assert "took it out" in environment.repository.comments(opened.number)[0]
    propose(environment, "Answer briefly.")
    assert environment.proposed() == "Answer briefly."
