"""A prompt's file is found by what it says, on every forge: formatted, moved, new, or broken."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.reconcile.review_comment import write_review_comment
from bridge.reconcile.scan_mapping import scan_mapping
from bridge.sandbox.registry_entries import build_completion_template
from tests.integration.lifecycle.bridge_environment import (
    PATH,
    BridgeEnvironment,
    MakeWorld,
    template,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_forge_events import engineers, push_told
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.standins.fault_injection import Faults, WithFaults, status

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
NEW, ELSEWHERE = "support/greet", "prompts/drafts/hello.yaml"
TEXT = (
    "# Greets whoever comes.\nmessages:\n  - role: system\n    content: Say hello.\n"
    "label: latest # keep\nname: 'support/greet'\nkind: prompt/v1\n"
)


@on_every_forge
def test_a_formatted_file_stays_its_prompts_and_keeps_its_form(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.save("Answer kindly.")
    environment.adopt()
    text = (environment.repository.text(PATH) or "").replace(
        "label: latest", "'label': latest # keep"
    )
    environment.repository.commit({PATH: text.replace("\n", "\r\n").encode()})

    environment.sweep()
    assert environment.repository.open() == []
    environment.save("Answer briefly.")
    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {PATH}
    wanted = text.replace("kindly", "briefly").replace("version: 1", "version: 2")
    assert environment.repository.text(
        PATH, environment.pull_request().head_branch
    ) == wanted.replace("\n", "\r\n")


@on_every_forge
def test_the_id_of_a_new_prompt_comes_into_the_file_it_was_made_of(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.repository.commit({ELSEWHERE: TEXT.encode()})

    environment.sweep()
    environment.sweep()
    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {ELSEWHERE}
    assert "label: latest # keep\n" in (
        environment.repository.text(ELSEWHERE, environment.pull_request().head_branch) or ""
    )
    assert environment.held(ELSEWHERE, environment.pull_request().head_branch).id == 1
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert environment.repository.open() == []
    assert published(environment, NEW) == ["Say hello."]


def test_the_id_is_committed_into_that_file_too(make_world: MakeWorld) -> None:
    environment = make_world({**PUBLISH, "write_back": "commit"})
    environment.repository.commit({ELSEWHERE: TEXT.encode()})

    environment.sweep()
    environment.sweep()

    assert environment.held(ELSEWHERE).id == 1
    assert {p for p in environment.repository.paths() if p.startswith("prompts/")} == {ELSEWHERE}


@on_every_forge
@pytest.mark.parametrize("settings", [{}, PUBLISH])
def test_a_merged_file_that_is_broken_is_never_said_to_be_taken_back(
    make_world: MakeWorld, settings: dict[str, object]
) -> None:
    environment = make_world(settings)
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.settle()
    text = (environment.repository.text(PATH) or "").replace("messages:", "messages: [")
    environment.repository.commit({PATH: text.encode()})

    environment.sweep()

    standing = environment.standing()
    assert standing.kind is not ReconcileOutcomeKind.UNDONE
    assert f"{PATH}:7: not valid YAML" in standing.reason


# What PromptLayer may not know to answer


Body = bytes | Mapping[str, str]


def without_usage(environment: BridgeEnvironment, body: Body) -> None:
    """PromptLayer knows no ``snippet-usage``."""
    faults = Faults()
    environment.address.platform = WithFaults(environment.address.platform, faults)
    faults.add(lambda _, path: path.endswith("/snippet-usage"), status(404, body), times=100)


@on_every_forge
@pytest.mark.parametrize("body", [b"<h1>Not Found</h1>", {"detail": "Not Found"}])
def test_a_snippet_is_proposed_though_nobody_tells_who_uses_it(
    make_world: MakeWorld, body: Body
) -> None:
    environment = make_world()
    without_usage(environment, body)
    environment.registry.save_version("support/tone", build_completion_template("Be kind."))

    environment.settle()

    assert "Be kind." in environment.pull_request().body
    assert "used by" not in environment.pull_request().body


def test_many_prompts_are_looked_at_though_nobody_tells_who_uses_snippets(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    without_usage(environment, b"<h1>Not Found</h1>")
    environment.registry.save_version("tone", build_completion_template("Hi."))
    for number in range(55):
        environment.registry.save_version(f"p{number}", template("Use @@@tone@@@"))
    environment.post.lose()

    environment.sweep()

    assert (
        environment.says("prompts/latest/p7.yaml", environment.pull_request().head_branch)
        == "Use @@@tone@@@"
    )


@on_every_forge
def test_the_review_tells_of_edits_that_no_version_can_carry(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH) or ""
    edited = text.replace("version: 1", "version: 1\ntags: [mine]").replace("kindly", "briefly")

    pull = engineers(environment, {PATH: edited})

    write_review_comment(
        environment.controller.contexts["support"],
        environment.controller.file_index,
        pull.number,
        environment.clock(),
    )

    (comment,) = environment.repository.comments(pull.number)
    assert "are [mine] here" in comment.replace("\\", "")
    assert "a new version on top of version 1" in comment


def test_a_file_that_was_moved_and_broken_deletes_no_prompt(make_world: MakeWorld) -> None:
    environment = make_world({**PUBLISH, "on_delete": "delete"})
    environment.save("Answer kindly.")
    environment.adopt()
    before = environment.repository.head("main")
    text = (
        (environment.repository.text(PATH) or "")
        .replace("id: 1", "id 1")
        .replace("messages:", "messages: [")
    )
    environment.repository.commit({PATH: None, ELSEWHERE: text.encode()})

    push_told(environment, before)

    assert not environment.registry.find_entry(1).deleted


def test_two_files_of_one_prompt_are_told_with_both_paths(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    prompt = environment.promptlayer.find_prompt(1)
    assert prompt is not None
    environment.repository.commit(
        {"prompts/z.json": render_prompt_file(PromptFile(prompt, LATEST), "json").encode()}
    )

    found = scan_mapping(
        environment.controller.contexts["support"], environment.controller.file_index
    )

    (mistake,) = found.mistakes
    assert mistake.startswith(f"prompts/z.json:1: expected one file for prompt 1 (latest); {PATH} ")
