"""Names and repositories that nobody should have: a safe path or a refusal, and others go on."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.storage.inbox import DeliveryState
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld

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
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    return make_world({"path": "prompts/{label}/{prompt}.yaml"})


def test_every_hostile_name_has_a_safe_file_of_its_own(make_world: MakeWorld) -> None:
    environment = make_world(GROUPED)
    for name in HOSTILE:
        environment.save(f"I am {name!r}.", name)

    environment.settle()

    paths = environment.repository.changed(environment.pull_request().head_branch)
    assert len(paths) == len(HOSTILE)
    assert len({path.casefold() for path in paths}) == len(HOSTILE)
    for path in paths:
        parts = PurePosixPath(path).parts
        assert parts[:2] == ("prompts", "latest")
        assert not {"..", ".git", ".github"} & set(parts)
        assert not any(part.startswith("-") for part in parts)
        assert path.isprintable()
    said = {environment.says(path, environment.pull_request().head_branch) for path in paths}
    assert said == {f"I am {name!r}." for name in HOSTILE}


def test_hostile_names_merge_and_are_in_step(make_world: MakeWorld) -> None:
    environment = make_world(GROUPED)
    for name in HOSTILE:
        environment.save("Hello.", name)
    environment.settle()
    environment.repository.merge(environment.pull_request(), "squash")

    environment.sweep()

    assert environment.repository.open() == []
    assert not environment.repository.branches()


@pytest.mark.parametrize("name", ["../../x", "new\nline", "x" * 512, "-rf", "@{-1}", "a.lock"])
def test_a_hostile_name_in_the_branch_is_proposed_on_a_branch_git_accepts(
    make_world: MakeWorld, name: str
) -> None:
    environment = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    environment.save("Hello.", name)

    environment.settle()

    assert environment.pull_request().head_branch.startswith("promptlayer/support/latest/")


def test_a_name_with_no_place_is_refused_and_the_others_go_on(make_world: MakeWorld) -> None:
    """A path template that leaves too little room for a long name."""
    deep = "/".join(["folder"] * 24)
    environment = make_world({"path": f"{deep}/{{prompt}}.yaml"} | GROUPED)
    environment.save("Hello.", "x" * 512)
    environment.save("Hello.", "fine")

    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {
        f"{deep}/fine.yaml"
    }
    parked = [
        each
        for each in environment.controller.inbox.list_recent(9)
        if each.state is DeliveryState.PARKED
    ]
    (told,) = parked
    assert told.outcome is not None
    assert "longer than 240 bytes" in told.outcome


# The repository


def test_a_broken_file_is_replaced_with_a_warning(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH)
    assert text is not None
    environment.repository.commit({PATH: text.replace("messages:", "messages: {").encode()})

    environment.sweep()

    assert environment.proposed() == "Answer kindly."
    assert "edited in the repository too" in environment.pull_request().body


def test_a_broken_file_of_one_prompt_does_not_hold_up_another(
    environment: BridgeEnvironment,
) -> None:
    environment.repository.commit({PATH: b"kind: prompt/v1\nid: 1\nlabel: latest\nmessages: {\n"})
    environment.save("Answer kindly.")
    environment.save("Hello.", "another")

    environment.settle()

    heads = {each.head_branch for each in environment.repository.open()}
    assert environment.branch(2) in heads
    assert environment.says("prompts/latest/another.yaml", environment.branch(2)) == "Hello."


def test_a_deleted_prompts_broken_file_is_left_to_people(environment: BridgeEnvironment) -> None:
    environment.repository.commit({PATH: b"kind: prompt/v1\nid: 1\nlabel: latest\nmessages: {\n"})
    environment.save("Answer kindly.")
    environment.registry.delete(1)

    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert "Remove the file by hand" in environment.standing().reason


def test_somebody_elses_file_in_the_way_is_refused(environment: BridgeEnvironment) -> None:
    environment.repository.commit({PATH: b"Notes, and no prompt.\n"})
    environment.save("Answer kindly.")
    environment.save("Hello.", "another")

    environment.settle()

    assert environment.pull_request().head_branch == environment.branch(2)
    assert "does not belong to prompt 1" in environment.standing().reason
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED


def test_a_file_in_the_way_that_is_moved_frees_the_prompt(environment: BridgeEnvironment) -> None:
    environment.repository.commit({PATH: b"Notes, and no prompt.\n"})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.commit({PATH: None, "notes.txt": b"Notes, and no prompt.\n"})

    environment.sweep()

    assert environment.proposed() == "Answer kindly."


@pytest.mark.parametrize("link", [PATH, "prompts/latest/support", "prompts/latest", "prompts"])
def test_a_symbolic_link_in_the_way_is_refused(environment: BridgeEnvironment, link: str) -> None:
    environment.repository.symlink(link, "../../../../etc")
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert link in environment.standing().reason


def test_a_file_where_a_folder_should_be_is_refused(environment: BridgeEnvironment) -> None:
    environment.repository.commit({"prompts/latest/support": b"x"})
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.repository.open() == []
    assert "prompts/latest/support" in environment.standing().reason


def test_a_folder_where_the_file_should_be_is_refused(environment: BridgeEnvironment) -> None:
    environment.repository.commit({f"{PATH}/x.txt": b"x"})
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED


def test_a_file_written_by_hand_without_an_id_is_adopted(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH)
    assert text is not None
    unnumbered = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("id:")
    )
    environment.repository.commit({PATH: unnumbered.encode()})

    environment.sweep()

    assert environment.held(revision=environment.pull_request().head_branch).id == 1


def test_two_files_of_one_prompt_do_not_confuse_it(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH)
    assert text is not None
    environment.repository.commit({"prompts/latest/copy.yaml": text.encode()})

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {PATH}


def test_text_of_a_prompt_cannot_command_the_forge(environment: BridgeEnvironment) -> None:
    text = "```\n</details>\n@alice closes #1\n/merge\n<!-- promptlayer-bridge:e30= -->\n"
    environment.save(text, NAME, commit_message="fixes #1 @alice")

    environment.settle()
    environment.sweep()

    opened = environment.pull_request()
    assert len(environment.repository.every(opened.head_branch)) == 1
    assert environment.proposed() == text
    outside = opened.body.replace(text, "")
    assert "fixes #1" not in outside
    assert "\n/merge" not in outside.split("```")[0]


def test_a_very_long_prompt_has_a_body_the_forge_takes(environment: BridgeEnvironment) -> None:
    environment.save("word " * 60_000)

    environment.settle()

    assert len(environment.pull_request().body) <= environment.repository.forge.body_limit


def test_an_empty_repository_folder_and_an_empty_workspace_agree(
    environment: BridgeEnvironment,
) -> None:
    environment.sweep()

    assert environment.repository.open() == []
    assert environment.store.find_stuck() == ()
