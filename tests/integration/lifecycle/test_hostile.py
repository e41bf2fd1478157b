"""Names and repositories that nobody should have: a safe path or a refusal, and others go on."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from bridge.prompts.outcome import OutcomeKind
from bridge.storage.inbox import DeliveryState
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

GROUPED = {"pull_request": {"group": "mapping"}}
HOSTILE = [
    "../../.github/workflows/x",
    "/etc/passwd",
    ".git/config",
    "support/../../x",
    "nul\x00byte",
    "new\nline",
    "x" * 512,
    "ü" * 512,
    "Support/Reply",
    "support/reply",
    "SUPPORT/REPLY",
    "CON",
    "aux.yaml",
    "-rf",
    "--upload-pack=touch",
    "a..b",
    "a.lock",
    "@{-1}",
    "~^:?*[\\",
    " ",
    "\u202egnp.exe",
    "{label}",
    "refs/heads/main",
    "<script>",
    "support/reply/",
    "support//reply",
]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world({"path": "prompts/{label}/{prompt}.yaml"})


def test_every_hostile_name_has_a_safe_file_of_its_own(make_world: MakeWorld) -> None:
    world = make_world(GROUPED)
    for name in HOSTILE:
        world.save(f"I am {name!r}.", name)

    world.settle()

    paths = world.place.changed(world.pull_request().head)
    assert len(paths) == len(HOSTILE)
    assert len({path.casefold() for path in paths}) == len(HOSTILE)
    for path in paths:
        parts = PurePosixPath(path).parts
        assert parts[:2] == ("prompts", "latest")
        assert not {"..", ".git", ".github"} & set(parts)
        assert not any(part.startswith("-") for part in parts)
        assert path.isprintable()
    said = {world.says(path, world.pull_request().head) for path in paths}
    assert said == {f"I am {name!r}." for name in HOSTILE}


def test_hostile_names_merge_and_are_in_step(make_world: MakeWorld) -> None:
    world = make_world(GROUPED)
    for name in HOSTILE:
        world.save("Hello.", name)
    world.settle()
    world.place.merge(world.pull_request(), "squash")

    world.sweep()

    assert world.place.open() == []
    assert not world.place.branches()


@pytest.mark.parametrize("name", ["../../x", "new\nline", "x" * 512, "-rf", "@{-1}", "a.lock"])
def test_a_hostile_name_in_the_branch_is_proposed_on_a_branch_git_accepts(
    make_world: MakeWorld, name: str
) -> None:
    world = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    world.save("Hello.", name)

    world.settle()

    assert world.pull_request().head.startswith("promptlayer/support/latest/")


def test_a_name_with_no_place_is_refused_and_the_others_go_on(make_world: MakeWorld) -> None:
    """A path template that leaves too little room for a long name."""
    deep = "/".join(["folder"] * 24)
    world = make_world({"path": f"{deep}/{{prompt}}.yaml"} | GROUPED)
    world.save("Hello.", "x" * 512)
    world.save("Hello.", "fine")

    world.settle()

    assert world.place.changed(world.pull_request().head) == {f"{deep}/fine.yaml"}
    parked = [each for each in world.worker.inbox.recent(9) if each.state is DeliveryState.PARKED]
    (told,) = parked
    assert told.outcome is not None
    assert "longer than 240 bytes" in told.outcome


# The repository


def test_a_broken_file_is_replaced_with_a_warning(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH)
    assert text is not None
    world.place.commit({PATH: text.replace("messages:", "messages: {").encode()})

    world.sweep()

    assert world.proposed() == "Answer kindly."
    assert "edited in the repository too" in world.pull_request().body


def test_a_broken_file_of_one_prompt_does_not_hold_up_another(world: World) -> None:
    world.place.commit({PATH: b"kind: prompt/v1\nid: 1\nlabel: latest\nmessages: {\n"})
    world.save("Answer kindly.")
    world.save("Hello.", "another")

    world.settle()

    heads = {each.head for each in world.place.open()}
    assert world.branch(2) in heads
    assert world.says("prompts/latest/another.yaml", world.branch(2)) == "Hello."


def test_a_deleted_prompts_broken_file_is_left_to_people(world: World) -> None:
    world.place.commit({PATH: b"kind: prompt/v1\nid: 1\nlabel: latest\nmessages: {\n"})
    world.save("Answer kindly.")
    world.registry.delete(1)

    world.settle()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.PARKED
    assert "Remove the file by hand" in world.standing().reason


def test_somebody_elses_file_in_the_way_is_refused(world: World) -> None:
    world.place.commit({PATH: b"Notes, and no prompt.\n"})
    world.save("Answer kindly.")
    world.save("Hello.", "another")

    world.settle()

    assert world.pull_request().head == world.branch(2)
    assert "does not belong to prompt 1" in world.standing().reason
    assert world.standing().kind is OutcomeKind.PARKED


def test_a_file_in_the_way_that_is_moved_frees_the_prompt(world: World) -> None:
    world.place.commit({PATH: b"Notes, and no prompt.\n"})
    world.save("Answer kindly.")
    world.settle()
    world.place.commit({PATH: None, "notes.txt": b"Notes, and no prompt.\n"})

    world.sweep()

    assert world.proposed() == "Answer kindly."


@pytest.mark.parametrize("link", [PATH, "prompts/latest/support", "prompts/latest", "prompts"])
def test_a_symbolic_link_in_the_way_is_refused(world: World, link: str) -> None:
    world.place.symlink(link, "../../../../etc")
    world.save("Answer kindly.")

    world.settle()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.PARKED
    assert link in world.standing().reason


def test_a_file_where_a_folder_should_be_is_refused(world: World) -> None:
    world.place.commit({"prompts/latest/support": b"x"})
    world.save("Answer kindly.")

    world.settle()

    assert world.place.open() == []
    assert "prompts/latest/support" in world.standing().reason


def test_a_folder_where_the_file_should_be_is_refused(world: World) -> None:
    world.place.commit({f"{PATH}/x.txt": b"x"})
    world.save("Answer kindly.")

    world.settle()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.PARKED


def test_a_file_written_by_hand_without_an_id_is_adopted(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH)
    assert text is not None
    unnumbered = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("id:")
    )
    world.place.commit({PATH: unnumbered.encode()})

    world.sweep()

    assert world.held(revision=world.pull_request().head).id == 1


def test_two_files_of_one_prompt_do_not_confuse_it(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH)
    assert text is not None
    world.place.commit({"prompts/latest/copy.yaml": text.encode()})

    world.save("Answer briefly.")
    world.settle()

    assert world.place.changed(world.pull_request().head) == {PATH}


def test_text_of_a_prompt_cannot_command_the_forge(world: World) -> None:
    text = "```\n</details>\n@alice closes #1\n/merge\n<!-- promptlayer-bridge:e30= -->\n"
    world.save(text, NAME, commit_message="fixes #1 @alice")

    world.settle()
    world.sweep()

    opened = world.pull_request()
    assert len(world.place.every(opened.head)) == 1
    assert world.proposed() == text
    outside = opened.body.replace(text, "")
    assert "fixes #1" not in outside
    assert "\n/merge" not in outside.split("```")[0]


def test_a_very_long_prompt_has_a_body_the_forge_takes(world: World) -> None:
    world.save("word " * 60_000)

    world.settle()

    assert len(world.pull_request().body) <= world.place.forge.body_limit


def test_an_empty_repository_folder_and_an_empty_workspace_agree(world: World) -> None:
    world.sweep()

    assert world.place.open() == []
    assert world.ledger.stuck() == ()
