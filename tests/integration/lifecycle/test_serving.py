"""Applications read what was merged: never anything else, and never anything older."""

from __future__ import annotations

import json

import pytest

from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.serve.release import PromptRelease
from bridge.serve.release_confirmer import ReleaseConfirmer
from bridge.wiring import create_release_confirmer
from tests.integration.lifecycle.bridge_environment import (
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
    first_text,
)

MERGED = {"serve": "merged"}
PUBLISHED = {"serve": "merged", "publish": True}
FORGES = ("local", "github", "gitlab")


class ServingEnvironment:
    """A bridge that serves, whose confirmations are run by the test."""

    def __init__(self, environment: BridgeEnvironment) -> None:
        self.bridge = environment
        self.confirmer = self.start()

    def start(self) -> ReleaseConfirmer:
        """A process with an empty memory over the same database."""
        controller = self.bridge.controller
        controller.release_confirmer = create_release_confirmer(controller, self.bridge.database)
        return controller.release_confirmer

    def restart(self) -> None:
        self.confirmer = self.start()
        self.confirmer.replica.refresh()

    def sweep(self) -> None:
        """What the hourly resync does, and the confirmation behind it."""
        self.bridge.sweep()
        self.confirm()

    def confirm(self) -> None:
        self.confirmer.confirm_pending()

    def release(self, name: str = NAME, label: str = LATEST) -> PromptRelease | None:
        return self.confirmer.replica.index.snapshot.find_release("promptlayer", name, label)

    def says(self, name: str = NAME, label: str = LATEST) -> str | None:
        """The first message that an application reads."""
        release = self.release(name, label)
        if release is None:
            return None
        answer = self.confirmer.replica.index.snapshot.find_answer(release)
        assert answer is not None, "a release without its answer"
        body = json.loads(answer.body)
        assert body["version"] == release.version
        return first_text(body["prompt_template"])

    def warning(self, name: str = NAME) -> str:
        release = self.release(name)
        assert release is not None
        return release.warning or ""

    def edit(self, old: str, new: str, path: str = PATH) -> None:
        """An engineer's edit is merged."""
        text = self.bridge.repository.text(path)
        assert text is not None
        assert old in text
        self.bridge.repository.commit({path: text.replace(old, new).encode()})

    def commit_prompt(self, prompt_id: int, path: str, label: str = LATEST) -> None:
        """Merge a prompt as PromptLayer has it."""
        held = self.bridge.promptlayer.find_prompt(prompt_id)
        assert held is not None
        self.bridge.repository.commit({path: render_prompt_file(PromptFile(held, label)).encode()})


@pytest.fixture
def serving(make_world: MakeWorld) -> ServingEnvironment:
    return ServingEnvironment(make_world(MERGED))


@pytest.fixture
def publishing(make_world: MakeWorld) -> ServingEnvironment:
    return ServingEnvironment(make_world(PUBLISHED))


@pytest.mark.parametrize("forge_name", FORGES)
def test_what_is_merged_is_served_and_what_is_proposed_is_not(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.settle()
    serving.confirm()
    assert serving.release() is None

    serving.bridge.repository.merge(serving.bridge.pull_request())
    serving.sweep()
    assert serving.says() == "Answer kindly."

    serving.bridge.save("Answer rudely.")
    serving.bridge.settle()
    serving.confirm()
    serving.sweep()

    assert serving.says() == "Answer kindly."
    assert serving.warning() == ""


def test_a_release_names_the_commit_and_the_file_that_brought_it(
    serving: ServingEnvironment,
) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    commit = serving.bridge.repository.head("main")
    serving.bridge.repository.commit({"README.md": b"another\n"})

    serving.sweep()

    release = serving.release()
    assert release is not None
    assert (release.commit, release.path, release.version) == (commit, PATH, 1)


def test_a_merged_edit_is_served_once_it_is_published(publishing: ServingEnvironment) -> None:
    publishing.bridge.save("Answer kindly.")
    publishing.bridge.adopt()
    publishing.sweep()

    publishing.edit("kindly", "briefly")
    publishing.confirmer.request_targets("support")
    publishing.confirm()
    assert publishing.says() == "Answer kindly."
    assert "published by the next reconcile" in publishing.warning()

    publishing.sweep()
    assert publishing.says() == "Answer briefly."
    assert publishing.warning() == ""
    release = publishing.release()
    assert release is not None
    assert release.version == 2


def test_without_publish_the_release_before_stays_and_says_why(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()

    serving.edit("kindly", "briefly")
    serving.sweep()

    assert serving.says() == "Answer kindly."
    assert "mapping support does not publish" in serving.warning()


def test_a_revert_serves_the_content_of_before(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    before = serving.bridge.repository.text(PATH)
    assert before is not None
    serving.sweep()
    serving.bridge.save("Answer briefly.")
    serving.bridge.adopt()
    serving.sweep()
    assert serving.says() == "Answer briefly."

    serving.bridge.repository.commit({PATH: before.encode()})
    serving.sweep()

    assert serving.says() == "Answer kindly."


def test_a_deleted_file_ends_its_release_and_nothing_else_does(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.save("Answer the phone.", "support/phone")
    serving.commit_prompt(1, PATH)
    serving.commit_prompt(2, "prompts/latest/support/phone.yaml")
    serving.sweep()
    assert serving.says("support/phone") == "Answer the phone."

    serving.bridge.repository.commit({"prompts/latest/support/phone.yaml": None})
    serving.confirmer.request_targets("support")
    serving.confirm()
    assert serving.says("support/phone") == "Answer the phone."

    serving.sweep()
    assert serving.release("support/phone") is None
    assert serving.says() == "Answer kindly."


def test_a_prompt_that_promptlayer_lost_is_served_as_long_as_it_is_merged(
    serving: ServingEnvironment,
) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.save("Answer the phone.", "support/phone")
    serving.commit_prompt(1, PATH)
    serving.commit_prompt(2, "prompts/latest/support/phone.yaml")
    serving.sweep()

    serving.bridge.registry.delete(2)
    serving.bridge.post.lose()
    serving.sweep()

    assert serving.says("support/phone") == "Answer the phone."


def test_a_file_with_a_mistake_changes_nothing_of_what_is_served(
    serving: ServingEnvironment,
) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()

    serving.edit("kind: prompt", "kind: [prompt")
    serving.sweep()
    serving.sweep()

    assert serving.says() == "Answer kindly."


def test_a_renamed_prompt_is_served_under_its_merged_name(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()

    serving.bridge.registry.rename(1, "support/answer")
    serving.bridge.settle()
    serving.confirm()
    assert serving.says() == "Answer kindly."

    serving.bridge.repository.merge(serving.bridge.pull_request())
    serving.sweep()
    assert serving.release() is None
    assert serving.says("support/answer") == "Answer kindly."


def test_a_process_that_starts_serves_from_its_database_alone(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()
    serving.bridge.promptlayer.close()

    serving.restart()

    assert serving.says() == "Answer kindly."
    assert serving.confirmer.replica.index.is_loaded
