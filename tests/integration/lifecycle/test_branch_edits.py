"""What people do to the bridge's branch, in every way that git has, is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.forge.base import PullRequestState
from bridge.prompts.memory import recall
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.clone import Clone
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.integration.lifecycle.world import BOB, PATH, MakeWorld, World, lines

pytestmark = pytest.mark.parametrize("forge_name", FORGES)
NEW_NAME, NEW_PATH = "support/answer", "prompts/latest/support/answer.yaml"
ROLLING = {"pull_request": {"group": "mapping"}}


@pytest.fixture
def sam(world: World, tmp_path: Path) -> Clone:
    return Clone(world.place.repository, tmp_path / "sam")


def propose(world: World, text: str) -> str:
    """Save a text; the branch that proposes it."""
    world.save(text)
    world.settle()
    return world.pull_request().head


def with_edit(world: World, old: str, new: str, path: str = PATH) -> dict[str, str | None]:
    """The file as it is proposed, with a person's word in it."""
    text = world.place.text(path, world.pull_request().head)
    assert text is not None
    assert old in text
    return {path: text.replace(old, new, 1)}


# Rewritten


def test_an_amended_text_stays_when_nothing_is_saved(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    sam.amend(branch, with_edit(world, "kindly", "warmly"))
    head = world.place.head(branch)

    world.sweep()

    assert world.place.head(branch) == head
    assert world.proposed() == "Answer warmly."
    assert "edited by **Sam Person**" in world.pull_request().body


def test_an_amended_text_is_merged_with_the_next_version(world: World, sam: Clone) -> None:
    branch = propose(world, lines())
    sam.amend(branch, with_edit(world, "      a\n", "      A of Sam\n"))

    propose(world, lines(g="G of Ada"))
    world.sweep()

    assert world.proposed() == lines(a="A of Sam", g="G of Ada")
    assert world.standing().kind is OutcomeKind.UNCHANGED
    assert "edited by **Sam Person**" in world.pull_request().body


def test_a_fix_that_was_squashed_into_the_bridges_commit_stays(world: World, sam: Clone) -> None:
    branch = propose(world, lines())
    sam.commit(branch, with_edit(world, "      a\n", "      A of Sam\n"))
    sam.squash(branch, "main")

    world.sweep()
    assert world.proposed() == lines(a="A of Sam")

    propose(world, lines(g="G of Ada"))
    assert world.proposed() == lines(a="A of Sam", g="G of Ada")


def test_another_message_is_no_conflict_and_stays(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert world.standing().kind is OutcomeKind.UPDATED
    assert "feat(prompts): answer kindly" in world.place.log(branch, "%s")
    assert "edited by" not in world.pull_request().body


def test_a_branch_with_another_message_is_found_without_any_event(world: World, sam: Clone) -> None:
    world.save("Answer.")
    world.adopt()
    branch = propose(world, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")
    world.save("Answer.")
    world.post.lose()
    world.forget_everything()

    world.sweep()

    assert world.place.newest(branch).state is PullRequestState.CLOSED


def test_another_message_over_merged_proposals_is_no_conflict(world: World, sam: Clone) -> None:
    """The base's own history has commits of the bridge too."""
    propose(world, "Answer.")
    world.place.merge(world.pull_request(), "rebase")
    world.sweep()
    branch = propose(world, "Answer kindly.")
    sam.amend(branch, {}, "feat(prompts): answer kindly")
    world.forget_everything()

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert world.standing().kind is OutcomeKind.UPDATED


def test_a_rebased_commit_is_the_bridges_still(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    world.place.commit({"src/bot.py": b"print()\n"})
    assert sam.rebase(branch, "main")

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert len(world.place.log(branch, "%H")) == 1


def test_a_base_that_was_merged_in_is_no_edit(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    world.place.commit({"src/bot.py": b"print()\n"})
    assert sam.merge(branch, "main")

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert world.place.text("src/bot.py", branch) == "print()\n"
    assert "edited by" not in world.pull_request().body


def test_an_edit_is_merged_by_a_bridge_that_lost_its_disk(world: World, sam: Clone) -> None:
    branch = propose(world, lines())
    sam.amend(branch, with_edit(world, "      a\n", "      A of Sam\n"))
    world.forget_everything()

    propose(world, lines(g="G of Ada"))

    assert world.proposed() == lines(a="A of Sam", g="G of Ada")


@pytest.mark.parametrize("message", [None, "feat(prompts): answer"])
def test_an_edit_is_merged_on_a_pull_request_of_an_earlier_release(
    world: World, sam: Clone, message: str | None
) -> None:
    """Its hidden line does not say which commit the bridge wrote."""
    branch = propose(world, lines())
    opened = world.pull_request()
    memory = recall(opened.body)
    assert memory is not None
    before = replace(memory, wrote=None).line()
    world.place.edit(opened, body=opened.body.replace(memory.line(), before))
    sam.amend(branch, with_edit(world, "      a\n", "      A of Sam\n"), message)

    world.sweep()
    assert world.proposed() == lines(a="A of Sam")

    propose(world, lines(g="G of Ada"))
    assert world.proposed() == lines(a="A of Sam", g="G of Ada")


# Merged by meaning


def test_a_comment_beside_the_changed_line_is_no_conflict(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    edited = with_edit(world, "  - role: user", "  # The question as it came.\n  - role: user")
    sam.commit(branch, edited)

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    text = world.place.text(PATH, branch)
    assert text is not None
    assert "# The question as it came." in text


def test_a_formatters_indent_is_no_conflict(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    text = world.place.text(PATH, branch)
    assert text is not None
    kept = [
        line.removeprefix("  ") if line[:3] in ("  -", "   ") else line for line in text.split("\n")
    ]
    sam.commit(branch, {PATH: "\n".join(kept)})

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert world.standing().kind is OutcomeKind.UPDATED


def test_the_same_part_changed_by_both_is_asked_about(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    sam.amend(branch, with_edit(world, "kindly", "warmly"))
    head = world.place.head(branch)

    propose(world, "Answer briefly.")
    world.sweep()

    assert world.place.head(branch) == head
    assert world.standing().kind is OutcomeKind.CONFLICT
    (words,) = world.place.comments(world.pull_request().number)
    assert "PromptLayer has a newer text" in words
    assert "Answer briefly." in words
    assert "See it in PromptLayer](https://dashboard.example.com/workspace/" in words


# Renames and deletions


def test_an_edit_moves_along_with_a_rename(world: World, sam: Clone) -> None:
    branch = propose(world, lines())
    sam.commit(branch, with_edit(world, "      a\n", "      A of Sam\n"))

    world.registry.rename(1, NEW_NAME)
    world.settle()

    assert world.place.changed(branch) == {NEW_PATH}
    assert world.proposed(NEW_PATH) == lines(a="A of Sam")
    assert world.held(NEW_PATH, branch).name == NEW_NAME


def test_an_edit_that_moved_along_is_published_once_it_is_merged(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(PUBLISH)
    sam = Clone(world.place.repository, tmp_path / "sam")
    branch = propose(world, lines())
    sam.commit(branch, with_edit(world, "      a\n", "      A of Sam\n"))
    world.registry.rename(1, NEW_NAME)
    world.settle()

    world.place.merge(world.pull_request(), "squash")
    world.sweep()

    assert published(world, NEW_NAME) == [lines(), lines(a="A of Sam")]


def test_an_edit_of_an_update_moves_along_with_a_rename(world: World, sam: Clone) -> None:
    world.save("Answer.")
    world.adopt()
    branch = propose(world, lines())
    sam.commit(branch, with_edit(world, "      a\n", "      A of Sam\n"))

    world.registry.rename(1, NEW_NAME)
    world.settle()
    world.sweep()

    assert world.place.changed(branch) == {PATH, NEW_PATH}
    assert world.proposed(NEW_PATH) == lines(a="A of Sam")
    assert world.standing().kind is OutcomeKind.UNCHANGED


def test_a_file_that_a_person_moved_stays_there(world: World, sam: Clone) -> None:
    branch = propose(world, "Answer kindly.")
    sam.move(branch, PATH, "prompts/latest/bot/mine.yaml")

    propose(world, "Answer briefly.")

    assert world.place.changed(branch) == {"prompts/latest/bot/mine.yaml"}
    assert world.proposed("prompts/latest/bot/mine.yaml") == "Answer briefly."
    assert "was moved here" in world.pull_request().body
    assert "**Sam Person**" in world.pull_request().body


def test_a_moved_file_is_told_once_and_shown_as_it_is_there(world: World, sam: Clone) -> None:
    branch = propose(world, lines())
    moved = "prompts/latest/bot/mine.yaml"
    edited = with_edit(world, "      a\n", "      A of Sam\n")
    sam.commit(branch, {PATH: None, moved: edited[PATH]})

    world.sweep()

    body = world.pull_request().body
    assert body.count(moved) == 1
    assert body.count(PATH) == 1  # from where it was moved
    assert "+A of Sam" in body
    assert "not on this branch any more" not in body


def test_a_deletion_says_truly_what_it_meets(world: World, sam: Clone) -> None:
    world.save("Hello.", "another")
    world.save("Answer.")
    world.adopt(prompt_id=2)
    world.adopt("prompts/latest/another.yaml")
    world.save("Answer kindly.")
    world.settle()
    sam.commit(world.branch(2), with_edit(world, "kindly", "warmly"))

    world.registry.delete(2)
    world.settle()

    assert world.standing(world.branch(2)).kind is OutcomeKind.CONFLICT
    (words,) = world.place.comments(world.pull_request().number)
    assert "PromptLayer no longer has" in words
    assert "newer text" not in words
    assert world.proposed() == "Answer warmly."
    assert "was edited by **Sam Person**" in world.pull_request().body


def test_a_deletion_is_proposed_though_a_person_touched_other_files(
    world: World, sam: Clone
) -> None:
    world.save("Answer.")
    world.adopt()
    branch = propose(world, "Answer kindly.")
    sam.commit(branch, {"tests/test_bot.py": "pass\n"})

    world.registry.delete(1)
    world.settle()

    assert world.place.text(PATH, branch) is None
    assert world.place.text("tests/test_bot.py", branch) == "pass\n"


# Taken out


def test_a_file_taken_out_of_a_rolling_proposal_stays_out_until_it_changes(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(ROLLING)
    sam = Clone(world.place.repository, tmp_path / "sam")
    for name in ("one", "two", "three"):
        world.save(name, name)
    world.settle()
    branch = world.pull_request().head
    sam.commit(branch, {"prompts/latest/two.yaml": None})

    world.sweep()
    world.save("three again", "three")
    world.settle()
    world.sweep()

    paths = {"prompts/latest/one.yaml", "prompts/latest/three.yaml"}
    assert world.place.changed(branch) == paths
    assert "`prompts/latest/two.yaml` was taken out by **Sam Person**" in world.pull_request().body

    world.save("two again", "two")
    world.settle()
    assert world.place.changed(branch) == {*paths, "prompts/latest/two.yaml"}
    assert "taken out" not in world.pull_request().body


def test_what_was_taken_out_is_not_proposed_once_the_rest_is_merged(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(ROLLING)
    sam = Clone(world.place.repository, tmp_path / "sam")
    world.save("one", "one")
    world.save("two", "two")
    world.settle()
    branch = world.pull_request().head
    sam.commit(branch, {"prompts/latest/two.yaml": None})
    world.sweep()
    world.place.merge(world.pull_request())

    world.sweep()

    assert world.place.open() == []
    world.save("two again", "two", by=BOB)
    world.settle()
    assert world.place.changed(world.pull_request().head) == {"prompts/latest/two.yaml"}


def test_a_proposal_that_a_person_took_back_is_withdrawn_until_it_changes(
    world: World, sam: Clone
) -> None:
    branch = propose(world, "Answer kindly.")
    opened = world.pull_request()
    assert sam.revert(branch)

    world.sweep()
    world.sweep()

    assert world.place.open() == []
    assert world.place.newest(branch).state is PullRequestState.CLOSED
    assert "took it out" in world.place.comments(opened.number)[0]
    propose(world, "Answer briefly.")
    assert world.proposed() == "Answer briefly."
