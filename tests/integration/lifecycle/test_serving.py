"""Applications read what was merged: never anything else, and never anything older."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.snapshot import RepositorySnapshot
from bridge.serve.fetch_answers import needs_provider_key
from bridge.serve.release import AnswerKey, PromptRelease
from bridge.serve.release_confirmer import ReleaseConfirmer
from bridge.wiring import create_answer_fetcher, create_release_confirmer
from tests.integration.lifecycle.bridge_environment import (
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
    first_text,
    template,
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


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_push_is_served_without_a_resync(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(make_world(MERGED))
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()
    serving.bridge.save("Answer briefly.")
    serving.bridge.adopt()

    serving.confirmer.request_targets("support")
    serving.confirm()

    assert serving.says() == "Answer briefly."


def test_a_label_that_moves_is_nothing_to_an_application(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(make_world({"serve": "merged", "track": ["prod"]}))
    path = "prompts/prod/support/reply.yaml"
    serving.bridge.save("Answer kindly.", labels=("prod",))
    serving.bridge.adopt(path, label="prod")
    serving.sweep()
    assert serving.says(label="prod") == "Answer kindly."

    serving.bridge.save("Answer rudely.")
    serving.bridge.registry.move_label(1, "prod", 2)
    serving.bridge.settle()
    serving.confirm()
    serving.sweep()

    assert serving.says(label="prod") == "Answer kindly."
    assert serving.release(label="latest") is None


def test_platform_follows_the_label_as_promptlayer_has_it(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(make_world({"serve": "platform", "track": ["prod"]}))
    serving.bridge.save("Answer kindly.", labels=("prod",))
    serving.sweep()
    assert serving.says(label="prod") == "Answer kindly."

    serving.bridge.save("Answer briefly.")
    serving.bridge.registry.move_label(1, "prod", 2)
    serving.bridge.settle()
    serving.confirm()
    assert serving.says(label="prod") == "Answer briefly."

    serving.bridge.registry.delete_label(1, "prod")
    serving.bridge.settle()
    serving.confirm()
    assert serving.says(label="prod") == "Answer briefly."
    serving.sweep()
    assert serving.release(label="prod") is None


def test_a_copied_file_promotes_its_content(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(make_world({"serve": "merged", "track": ["latest", "prod"]}))
    serving.bridge.save("Answer kindly.", labels=("prod",))
    serving.bridge.adopt()
    serving.bridge.adopt("prompts/prod/support/reply.yaml", label="prod")
    serving.bridge.save("Answer briefly.")
    serving.bridge.adopt()
    serving.sweep()
    assert serving.says(label="prod") == "Answer kindly."

    text = serving.bridge.repository.text(PATH)
    assert text is not None
    serving.bridge.repository.commit({"prompts/prod/support/reply.yaml": text.encode()})
    serving.sweep()

    assert serving.says(label="prod") == "Answer briefly."
    assert serving.says() == "Answer briefly."


TONE, TONE_PATH = "tone", "prompts/latest/tone.yaml"


def snippet(text: str) -> dict[str, object]:
    return {"type": "completion", "content": [{"type": "text", "text": text}]}


def with_snippet(make_world: MakeWorld, **settings: object) -> ServingEnvironment:
    """A prompt that uses a snippet, both merged and served."""
    serving = ServingEnvironment(make_world({"serve": "merged", **settings}))
    serving.bridge.registry.save_version(TONE, snippet("kindly"))
    serving.bridge.save(f"Answer @@@{TONE}@@@.")
    serving.commit_prompt(1, TONE_PATH)
    serving.commit_prompt(2, PATH)
    serving.bridge.post.lose()
    serving.sweep()
    assert serving.says() == "Answer kindly."
    return serving


def test_an_unmerged_snippet_keeps_a_new_version_of_its_user_back(make_world: MakeWorld) -> None:
    serving = with_snippet(make_world)
    serving.bridge.registry.save_version(TONE, snippet("rudely"))
    serving.bridge.save(f"Do answer @@@{TONE}@@@.")
    serving.commit_prompt(2, PATH)
    serving.bridge.post.lose()

    serving.sweep()
    assert serving.says() == "Answer kindly."
    assert "version 2 of the snippet tone into it, and merged is 1" in serving.warning()

    serving.commit_prompt(1, TONE_PATH)
    serving.sweep()
    assert serving.says() == "Do answer rudely."
    assert serving.warning() == ""


def test_a_merged_snippet_reaches_the_answers_that_hold_it(make_world: MakeWorld) -> None:
    serving = with_snippet(make_world)
    serving.bridge.registry.save_version(TONE, snippet("briefly"))
    serving.bridge.post.lose()
    serving.sweep()
    assert serving.says() == "Answer kindly."

    serving.commit_prompt(1, TONE_PATH)
    serving.confirmer.request_targets("support")
    serving.confirm()

    assert serving.says() == "Answer briefly."
    release = serving.release()
    assert release is not None
    assert release.version == 1


def test_a_snippet_that_another_mapping_serves_counts_too(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(
        make_world(
            {"serve": "merged", "prompts": ["support/*"], "path": "care/{label}/{prompt}.yaml"},
            {
                "name": "tones",
                "serve": "merged",
                "prompts": [TONE],
                "path": "tones/{label}/{prompt}.yaml",
            },
        )
    )
    serving.bridge.registry.save_version(TONE, snippet("kindly"))
    serving.bridge.save(f"Answer @@@{TONE}@@@.")
    serving.commit_prompt(1, "tones/latest/tone.yaml")
    serving.commit_prompt(2, "care/latest/support/reply.yaml")
    serving.sweep()
    serving.confirm()
    assert serving.says() == "Answer kindly."
    serving.bridge.registry.save_version(TONE, snippet("briefly"))
    serving.commit_prompt(1, "tones/latest/tone.yaml")
    serving.bridge.post.lose()

    serving.confirmer.request_targets("tones")
    serving.confirm()
    serving.confirm()

    assert serving.says() == "Answer briefly."


def test_a_pinned_version_of_a_snippet_is_merged_with_its_user(make_world: MakeWorld) -> None:
    serving = with_snippet(make_world)
    serving.bridge.registry.save_version(TONE, snippet("briefly"))
    serving.bridge.save(f"Do answer @@@{TONE}@version_number:2@@@.")
    serving.commit_prompt(2, PATH)
    serving.bridge.post.lose()

    serving.sweep()

    assert serving.says() == "Do answer briefly."


def commits(serving: ServingEnvironment) -> list[str]:
    found = serving.confirmer.replica.index.snapshot.commits.get("support", ())
    return [each.commit for each in found]


def test_a_commit_is_served_once_all_of_it_is(publishing: ServingEnvironment) -> None:
    publishing.bridge.save("Answer kindly.")
    publishing.bridge.adopt()
    publishing.sweep()
    first = publishing.bridge.repository.head("main")
    assert commits(publishing)[-1] == first

    publishing.bridge.repository.commit({"README.md": b"in between\n"})
    between = publishing.bridge.repository.head("main")
    publishing.edit("kindly", "briefly")
    publishing.confirmer.request_targets("support")
    publishing.confirm()
    assert commits(publishing)[-1] == first

    publishing.sweep()
    newest = publishing.bridge.repository.head("main")
    assert commits(publishing)[-2:] == [between, newest]

    publishing.bridge.repository.point("main", first)
    publishing.sweep()
    assert commits(publishing)[-1] == first
    assert newest not in commits(publishing)
    assert publishing.says() == "Answer kindly."


def test_while_promptlayer_is_down_what_was_served_is(publishing: ServingEnvironment) -> None:
    publishing.bridge.save("Answer kindly.")
    publishing.bridge.adopt()
    publishing.sweep()
    publishing.bridge.save("Answer briefly.")
    publishing.bridge.adopt()
    platform = publishing.bridge.address.platform
    publishing.bridge.address.platform = _unavailable

    publishing.confirmer.request_targets("support")
    publishing.confirm()
    assert publishing.says() == "Answer kindly."
    assert "503" in publishing.warning()

    publishing.bridge.address.platform = platform
    publishing.confirmer.request_targets("support")
    publishing.confirm()
    assert publishing.says() == "Answer briefly."
    assert publishing.warning() == ""


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("away", status_code=503)(scope, receive, send)


def test_what_is_confirmed_and_did_not_change_asks_promptlayer_nothing(
    serving: ServingEnvironment,
) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()
    serving.bridge.address.platform = _unavailable
    serving.bridge.clock.advance(120)

    serving.confirmer.request_targets("support", [Target("support", 1, LATEST)], is_complete=True)
    serving.confirm()

    release = serving.release()
    assert release is not None
    assert release.warning is None
    assert (serving.bridge.clock() - release.confirmed_at).total_seconds() < 60


def test_a_process_that_looked_earlier_brings_nothing_back(
    serving: ServingEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process serves a newer commit while this one still works on an older one."""
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    slow = serving.confirmer
    fast = create_release_confirmer(serving.bridge.controller, serving.bridge.database)
    fetch, meanwhile = MappingContext.fetch, [True]

    def fetch_slowly(context: MappingContext) -> RepositorySnapshot:
        snapshot = fetch(context)
        if meanwhile:
            meanwhile.clear()
            serving.bridge.save("Answer briefly.")
            serving.bridge.adopt()
            fast.request_targets("support")
            fast.confirm_pending()
        return snapshot

    monkeypatch.setattr(MappingContext, "fetch", fetch_slowly)
    slow.request_targets("support")
    slow.confirm_pending()

    assert serving.says() == "Answer briefly."


def test_a_prompt_that_the_settings_leave_out_is_served_no_more(make_world: MakeWorld) -> None:
    serving = ServingEnvironment(make_world(MERGED))
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()
    assert serving.says() == "Answer kindly."

    context = serving.bridge.controller.contexts["support"]
    narrower = context.mapping.model_copy(update={"prompts": ("sales/*",)})
    serving.bridge.controller.contexts = {"support": replace(context, mapping=narrower)}
    serving.sweep()
    serving.confirmer.request_targets("support", [Target("support", 1, LATEST)])
    serving.confirm()

    assert serving.release() is None


def test_answers_for_a_model_move_on_with_the_version(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.adopt()
    serving.sweep()
    replica = serving.confirmer.replica
    fetcher = create_answer_fetcher(serving.bridge.controller, replica)
    key = AnswerKey("promptlayer", 1, 1, "anthropic", "claude")
    fetched = fetcher.fetch_answer(key)
    assert replica.index.snapshot.answers[key] == fetched

    serving.bridge.save("Answer briefly.")
    serving.bridge.adopt()
    serving.sweep()

    release = serving.release()
    assert release is not None
    variant = replica.index.snapshot.find_answer(release, "anthropic", "claude")
    assert variant is not None
    assert json.loads(variant.body)["version"] == 2
    assert key not in replica.index.snapshot.answers


def test_an_answer_of_another_version_is_given_and_not_kept(serving: ServingEnvironment) -> None:
    serving.bridge.save("Answer kindly.")
    serving.bridge.save("Answer briefly.")
    serving.bridge.adopt()
    serving.sweep()
    replica = serving.confirmer.replica
    key = AnswerKey("promptlayer", 1, 1)

    fetched = create_answer_fetcher(serving.bridge.controller, replica).fetch_answer(key)

    assert first_text(json.loads(fetched.body)["prompt_template"]) == "Answer kindly."
    assert key not in replica.index.snapshot.answers


def test_the_key_of_a_custom_provider_is_asked_for_again_after_a_start(
    serving: ServingEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    key = "planted-provider-key"
    provider = {"client": "openai", "api_key": key, "base_url": "https://models.example.com"}
    serving.bridge.save("Answer kindly.", extra={"custom_provider": provider})
    serving.bridge.repository.commit({PATH: _prompt_file("Answer kindly.").encode()})
    serving.sweep()
    release = serving.release()
    assert release is not None
    answer = serving.confirmer.replica.index.snapshot.find_answer(release)
    assert answer is not None
    assert answer.provider_key == key
    assert key.encode() not in answer.body

    serving.restart()
    again = serving.confirmer.replica.index.snapshot.find_answer(release)
    assert again is not None
    assert needs_provider_key(again)

    serving.sweep()
    found = serving.confirmer.replica.index.snapshot.find_answer(release)
    assert found is not None
    assert found.provider_key == key
    with serving.bridge.database.open_read_transaction() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM served_answers").all()
    assert key not in repr(rows)
    assert key not in caplog.text


def _prompt_file(text: str) -> str:
    prompt = Prompt(NAME, template(text), id=1, version=1)
    return render_prompt_file(PromptFile(prompt, LATEST))
