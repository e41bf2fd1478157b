"""A prompt's file is found by what it says, on every forge: formatted, moved, new, or broken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge.prompts.file import render
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.sandbox.entries import completion
from bridge.steps.review import review
from bridge.steps.scan import scan
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_forge_events import engineers, push_told
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.integration.lifecycle.world import PATH, MakeWorld, World, template
from tests.standins.faults import Faults, WithFaults, status

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
NEW, ELSEWHERE = "support/greet", "prompts/drafts/hello.yaml"
TEXT = (
    "# Greets whoever comes.\nmessages:\n  - role: system\n    content: Say hello.\n"
    "label: latest # keep\nname: 'support/greet'\nkind: prompt/v1\n"
)


@on_every_forge
def test_a_formatted_file_stays_its_prompts_and_keeps_its_form(make_world: MakeWorld) -> None:
    world = make_world()
    world.save("Answer kindly.")
    world.adopt()
    text = (world.place.text(PATH) or "").replace("label: latest", "'label': latest # keep")
    world.place.commit({PATH: text.replace("\n", "\r\n").encode()})

    world.sweep()
    assert world.place.open() == []
    world.save("Answer briefly.")
    world.settle()

    assert world.place.changed(world.pull_request().head) == {PATH}
    wanted = text.replace("kindly", "briefly").replace("version: 1", "version: 2")
    assert world.place.text(PATH, world.pull_request().head) == wanted.replace("\n", "\r\n")


@on_every_forge
def test_the_id_of_a_new_prompt_comes_into_the_file_it_was_made_of(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.place.commit({ELSEWHERE: TEXT.encode()})

    world.sweep()
    world.sweep()
    world.settle()

    assert world.place.changed(world.pull_request().head) == {ELSEWHERE}
    assert "label: latest # keep\n" in (
        world.place.text(ELSEWHERE, world.pull_request().head) or ""
    )
    assert world.held(ELSEWHERE, world.pull_request().head).id == 1
    world.place.merge(world.pull_request())
    world.sweep()
    assert world.place.open() == []
    assert published(world, NEW) == ["Say hello."]


def test_the_id_is_committed_into_that_file_too(make_world: MakeWorld) -> None:
    world = make_world({**PUBLISH, "write_back": "commit"})
    world.place.commit({ELSEWHERE: TEXT.encode()})

    world.sweep()
    world.sweep()

    assert world.held(ELSEWHERE).id == 1
    assert {p for p in world.place.paths() if p.startswith("prompts/")} == {ELSEWHERE}


@on_every_forge
@pytest.mark.parametrize("settings", [{}, PUBLISH])
def test_a_merged_file_that_is_broken_is_never_said_to_be_taken_back(
    make_world: MakeWorld, settings: dict[str, object]
) -> None:
    world = make_world(settings)
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.settle()
    text = (world.place.text(PATH) or "").replace("messages:", "messages: [")
    world.place.commit({PATH: text.encode()})

    world.sweep()

    standing = world.standing()
    assert standing.kind is not OutcomeKind.UNDONE
    assert f"{PATH}:8: not valid YAML" in standing.reason


# What PromptLayer may not know to answer


Body = bytes | Mapping[str, str]


def without_usage(world: World, body: Body) -> None:
    """PromptLayer knows no ``snippet-usage``."""
    faults = Faults()
    world.address.platform = WithFaults(world.address.platform, faults)
    faults.add(lambda _, path: path.endswith("/snippet-usage"), status(404, body), times=100)


@on_every_forge
@pytest.mark.parametrize("body", [b"<h1>Not Found</h1>", {"detail": "Not Found"}])
def test_a_snippet_is_proposed_though_nobody_tells_who_uses_it(
    make_world: MakeWorld, body: Body
) -> None:
    world = make_world()
    without_usage(world, body)
    world.registry.save("support/tone", completion("Be kind."))

    world.settle()

    assert "Be kind." in world.pull_request().body
    assert "used by" not in world.pull_request().body


def test_many_prompts_are_looked_at_though_nobody_tells_who_uses_snippets(
    make_world: MakeWorld,
) -> None:
    world = make_world({"pull_request": {"group": "mapping"}})
    without_usage(world, b"<h1>Not Found</h1>")
    world.registry.save("tone", completion("Hi."))
    for number in range(55):
        world.registry.save(f"p{number}", template("Use @@@tone@@@"))
    world.post.lose()

    world.sweep()

    assert world.says("prompts/latest/p7.yaml", world.pull_request().head) == "Use @@@tone@@@"


@on_every_forge
def test_the_review_tells_of_edits_that_no_version_can_carry(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH) or ""
    edited = text.replace("version: 1", "version: 1\ntags: [mine]").replace("kindly", "briefly")

    pull = engineers(world, {PATH: edited})

    review(world.worker.sites["support"], world.worker.index, pull.number, world.clock())

    (comment,) = world.place.comments(pull.number)
    assert "are [mine] here" in comment.replace("\\", "")
    assert "a new version on top of version 1" in comment


def test_a_file_that_was_moved_and_broken_deletes_no_prompt(make_world: MakeWorld) -> None:
    world = make_world({**PUBLISH, "on_delete": "delete"})
    world.save("Answer kindly.")
    world.adopt()
    before = world.place.head("main")
    text = (
        (world.place.text(PATH) or "").replace("id: 1", "id 1").replace("messages:", "messages: [")
    )
    world.place.commit({PATH: None, ELSEWHERE: text.encode()})

    push_told(world, before)

    assert not world.registry.entry(1).deleted


def test_two_files_of_one_prompt_are_told_with_both_paths(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    prompt = world.platform.prompt(1)
    assert prompt is not None
    world.place.commit({"prompts/z.json": render(PromptFile(prompt, LATEST), "json").encode()})

    found = scan(world.worker.sites["support"], world.worker.index)

    (mistake,) = found.mistakes
    assert mistake.startswith(f"prompts/z.json:1: expected one file for prompt 1 (latest); {PATH} ")
