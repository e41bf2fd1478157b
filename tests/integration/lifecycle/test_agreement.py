"""The way back in an ordinary week: who moved is told by the last state at which both sides said
the same, whoever brought it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.engine.reconcile_store import ReconcileRequest
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.reconcile.reconcile_proposal import plan_proposal
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.sandbox.registry_entries import build_chat_template
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.forge_webhook_delivery import ForgeWebhookDelivery
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.standins.git_http import git

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
every_merge = pytest.mark.parametrize("how", ["merge", "squash", "rebase"])

PROD = PATH.replace("latest", "prod")
BOTH = {"track": [LATEST, "prod"], **PUBLISH}
Lose = Callable[[BridgeEnvironment], None]


def nothing(_: BridgeEnvironment) -> None:
    """Nothing is lost."""


def database(environment: BridgeEnvironment) -> None:
    """The bridge's disk is lost, and the record in the repository is not."""
    environment.forget_everything()


def record(environment: BridgeEnvironment) -> None:
    """The record in the repository is lost, and the bridge's disk too."""
    environment.forget_everything()
    refs = git(
        environment.repository.repository,
        "for-each-ref",
        "--format=%(refname)",
        "refs/promptlayer-bridge",
    )
    for ref in refs.split():
        git(environment.repository.repository, "update-ref", "-d", ref)


def record_and_stamps(environment: BridgeEnvironment) -> None:
    """PromptLayer drops the metadata of published versions besides."""
    record(environment)
    for entry in environment.registry.entries.values():
        for version in entry.versions:
            (version.metadata or {}).pop("promptlayer_bridge", None)


LOSSES = (nothing, database, record, record_and_stamps)
whatever_is_lost = pytest.mark.parametrize("lose", LOSSES)
everywhere_and_whatever_is_lost = pytest.mark.parametrize(
    ("forge_name", "lose"),
    [*(("local", lose) for lose in LOSSES), ("github", nothing), ("gitlab", database)],
)


everywhere_and_whatever_is_lost_but_stamps = pytest.mark.parametrize(
    ("forge_name", "lose"),
    [
        ("local", nothing),
        ("local", database),
        ("local", record),
        ("github", nothing),
        ("gitlab", nothing),
    ],
)


def started(
    environment: BridgeEnvironment, text: str = "Answer kindly.", **more: Any
) -> BridgeEnvironment:
    """A prompt that was saved, proposed and merged."""
    environment.save(text, **more)
    environment.settle()
    for pull in environment.repository.open():
        environment.repository.merge(pull, "squash")
    environment.sweep()
    assert environment.repository.open() == []
    return environment


def prod_on(environment: BridgeEnvironment) -> int:
    return environment.registry.find_entry(NAME).labels["prod"].version


@everywhere_and_whatever_is_lost
def test_a_second_edit_in_a_row_becomes_a_second_version(make_world: MakeWorld, lose: Lose) -> None:
    environment = started(make_world(PUBLISH))
    edited(environment, "kindly", "briefly")
    environment.sweep()
    lose(environment)

    edited(environment, "briefly", "at length")
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert environment.repository.open() == []


@everywhere_and_whatever_is_lost
def test_the_revert_of_a_published_edit_becomes_a_version_with_the_old_text(
    make_world: MakeWorld, lose: Lose
) -> None:
    environment = started(make_world(PUBLISH))
    edited(environment, "kindly", "briefly")
    environment.sweep()
    lose(environment)

    environment.repository.revert()
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer kindly."]
    assert environment.repository.open() == []


@every_merge
@everywhere_and_whatever_is_lost
def test_the_revert_of_a_merged_proposal_becomes_a_version_with_the_old_text(
    make_world: MakeWorld, lose: Lose, how: MergeMethod
) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.merge(environment.pull_request(), how)
    lose(environment)

    environment.repository.revert()  # before anybody looked
    environment.sweep()
    environment.sweep()

    assert environment.says() == "Answer kindly."
    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer kindly."]
    assert environment.repository.open() == []


@on_every_forge
def test_the_edit_of_a_merged_proposal_that_nobody_looked_at_is_published(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.merge(environment.pull_request(), "squash")

    edited(environment, "briefly", "at length")
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert environment.repository.open() == []


@everywhere_and_whatever_is_lost_but_stamps
def test_a_label_that_was_moved_back_is_proposed_and_never_moved_again(
    make_world: MakeWorld, lose: Lose
) -> None:
    environment = started(make_world({"track": ["prod"], **PUBLISH}), labels=["prod"])
    edited(environment, "kindly", "rudely", PROD)
    environment.sweep()
    assert prod_on(environment) == 2

    environment.registry.move_label(1, "prod", 1)
    lose(environment)
    for _ in range(3):
        environment.sweep()
        environment.settle()

    assert prod_on(environment) == 1
    assert published(environment) == ["Answer kindly.", "Answer rudely."]
    assert environment.proposed(PROD) == "Answer kindly."
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert (prod_on(environment), environment.repository.open()) == (1, [])


@on_every_forge
def test_what_a_reviewer_kept_in_a_conflict_is_published_and_released(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world({**PUBLISH, "on_merge": {"move_label": "prod"}}))
    edited(environment, "kindly", "briefly")
    environment.save("Answer at length.")
    environment.settle()
    pull = environment.pull_request()
    assert environment.proposed() == "Answer at length."

    kept = (environment.repository.text(PATH, pull.head_branch) or "").replace(
        "at length", "briefly"
    )
    environment.repository.commit({PATH: kept.encode()}, pull.head_branch)
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert prod_on(environment) == 3
    assert environment.repository.open() == []


@on_every_forge
def test_what_a_reviewer_wrote_into_a_proposal_is_published_and_released(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world({**PUBLISH, "on_merge": {"move_label": "prod"}}))
    environment.save("Answer at length.")
    environment.settle()
    pull = environment.pull_request()
    text = (environment.repository.text(PATH, pull.head_branch) or "").replace("at length", "well")
    environment.repository.commit({PATH: text.encode()}, pull.head_branch)

    environment.repository.merge(environment.pull_request())
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer well."]
    assert prod_on(environment) == 3


@everywhere_and_whatever_is_lost_but_stamps
def test_what_is_merged_after_a_decline_is_published(make_world: MakeWorld, lose: Lose) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED
    lose(environment)

    edited(environment, "kindly", "at length")
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert environment.repository.open() == []


@on_every_forge
def test_a_decline_stands_as_long_as_the_file_says_the_same(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    for _ in range(2):
        environment.sweep()
        environment.repository.commit({"src/bot.py": b"print()\n"})

    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED
    assert len(published(environment)) == 2
    assert environment.repository.open() == []


@whatever_is_lost
@pytest.mark.parametrize("line", ["version: 9\n", "version: 2\n", ""])
def test_the_number_in_a_file_says_nothing_of_what_was_edited(
    make_world: MakeWorld, lose: Lose, line: str
) -> None:
    environment = started(make_world(PUBLISH))
    lose(environment)
    text = (
        (environment.repository.text(PATH) or "")
        .replace("version: 1\n", line)
        .replace("kindly", "briefly")
    )
    environment.repository.commit({PATH: text.encode()})

    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert environment.repository.open() == []


@dataclass(frozen=True)
class Promotion:
    """How an engineer copies the file of latest over that of prod."""

    literal: bool

    def of(self, text: str) -> bytes:
        return (text if self.literal else text.replace("label: latest", "label: prod")).encode()


every_promotion = pytest.mark.parametrize(
    "promotion", [Promotion(literal=False), Promotion(literal=True)], ids=["edited", "literal"]
)


def two_labels(environment: BridgeEnvironment) -> BridgeEnvironment:
    """Latest says something new on both sides, prod says what it said before."""
    started(environment, labels=["prod"])
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert (environment.says(PATH), environment.says(PROD)) == ("Answer briefly.", "Answer kindly.")
    return environment


@every_promotion
@pytest.mark.parametrize(
    ("forge_name", "lose"),
    [("local", nothing), ("local", database), ("github", nothing), ("gitlab", nothing)],
)
def test_a_promotion_by_copy_moves_the_label_and_makes_no_version(
    make_world: MakeWorld, promotion: Promotion, lose: Lose
) -> None:
    environment = two_labels(make_world(BOTH))
    lose(environment)

    environment.repository.commit({PROD: promotion.of(environment.repository.text(PATH) or "")})
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert prod_on(environment) == 2
    for pull in environment.repository.open():
        assert environment.says(PROD, pull.head_branch) == "Answer briefly."
        assert "label: prod" in (environment.repository.text(PROD, pull.head_branch) or "")
        environment.repository.merge(pull)
    environment.sweep()
    assert environment.repository.open() == []
    assert (environment.says(PATH), environment.says(PROD)) == (
        "Answer briefly.",
        "Answer briefly.",
    )


@on_every_forge
def test_a_rollback_in_git_moves_the_label_back_and_makes_no_version(
    make_world: MakeWorld,
) -> None:
    environment = two_labels(make_world(BOTH))
    environment.repository.commit(
        {PROD: Promotion(literal=False).of(environment.repository.text(PATH) or "")}
    )
    environment.sweep()
    assert prod_on(environment) == 2

    environment.repository.revert()
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert prod_on(environment) == 1
    assert environment.repository.open() == []


@on_every_forge
@pytest.mark.parametrize(
    ("promotion", "id"),
    [
        (Promotion(literal=False), "with its id"),
        (Promotion(literal=False), "without an id"),
        (Promotion(literal=True), "with its id"),
    ],
    ids=["edited", "without an id", "literal"],
)
def test_a_first_release_by_a_new_file_sets_the_label(
    make_world: MakeWorld, promotion: Promotion, id: str
) -> None:
    environment = started(make_world(BOTH))
    text = environment.repository.text(PATH) or ""
    if id == "without an id":
        text = text.replace("id: 1\n", "")
    environment.repository.commit({PROD: promotion.of(text)})

    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly."]
    assert prod_on(environment) == 1
    for pull in environment.repository.open():
        environment.repository.merge(pull)
    environment.sweep()
    assert environment.held(PROD).id == 1
    assert "label: prod" in (environment.repository.text(PROD) or "")
    assert environment.repository.open() == []


@on_every_forge
def test_a_label_that_somebody_removed_takes_its_file_with_it(make_world: MakeWorld) -> None:
    environment = started(make_world(BOTH), labels=["prod"])

    environment.registry.delete_label(1, "prod")
    environment.post.lose()
    environment.sweep()

    assert "prod" not in environment.registry.find_entry(NAME).labels
    assert environment.repository.text(PROD, environment.pull_request().head_branch) is None


@on_every_forge
def test_a_file_that_was_edited_after_its_removal_was_declined_is_published_with_its_label(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world({**BOTH, "track": ["prod"]}), labels=["prod"])
    environment.registry.delete_label(1, "prod")
    environment.sweep()
    environment.repository.close(environment.pull_request().number)
    environment.sweep()

    edited(environment, "kindly", "briefly", PROD)
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert prod_on(environment) == 2
    assert environment.repository.open() == []


@everywhere_and_whatever_is_lost
def test_a_new_file_that_is_edited_before_it_has_its_id_becomes_the_second_version(
    make_world: MakeWorld, lose: Lose
) -> None:
    environment = started(make_world(PUBLISH))
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (
        (environment.repository.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    )
    environment.repository.commit({path: text.replace(NAME, name).encode()})
    environment.sweep()
    environment.sweep()
    lose(environment)

    edited(environment, "kindly", "briefly", path)
    environment.sweep()
    environment.sweep()

    assert published(environment, name) == ["Answer kindly.", "Answer briefly."]
    pull = environment.pull_request()
    assert environment.held(path, pull.head_branch).id == 2
    assert environment.says(path, pull.head_branch) == "Answer briefly."
    environment.repository.merge(pull)
    environment.sweep()
    assert len(published(environment, name)) == 2
    assert environment.repository.open() == []


@on_every_forge
def test_a_prompt_deleted_there_and_edited_here_needs_a_person_who_is_told_both(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    edited(environment, "kindly", "briefly")
    environment.registry.delete(1)

    environment.settle()

    pull = environment.pull_request()
    assert environment.repository.text(PATH, pull.head_branch) is None
    assert "edited in the repository" in pull.body
    assert "edited in the repository" in environment.standing().reason


@on_every_forge
def test_a_file_removed_here_and_a_text_saved_there_is_proposed_again_saying_so(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    environment.repository.commit({PATH: None})
    environment.sweep()
    assert environment.repository.open() == []

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.proposed() == "Answer briefly."
    assert "removed from the repository" in environment.pull_request().body


def without_stamps(environment: BridgeEnvironment) -> None:
    for entry in environment.registry.entries.values():
        for version in entry.versions:
            (version.metadata or {}).pop("promptlayer_bridge", None)


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_a_draft_that_a_hotfix_of_prods_file_went_over_is_named(
    make_world: MakeWorld, drop: Lose
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.save("Answer with a draft.")
    environment.settle()
    edited(environment, "kindly", "safely", PROD)

    environment.sweep()
    drop(environment)
    environment.sweep()

    assert published(environment)[1:] == ["Answer with a draft.", "Answer safely."]
    assert prod_on(environment) == 3
    pull = environment.pull_request()
    assert environment.says(PATH, pull.head_branch) == "Answer safely."
    assert "version 2 of" in pull.body
    assert "overtaken by version 3" in pull.body
    assert "version 2 was overtaken" in environment.standing().reason


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_edits_of_two_labels_files_are_two_versions_whichever_is_looked_at_first(
    make_world: MakeWorld, drop: Lose
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    for path, word in ((PROD, "at length"), (PATH, "briefly")):
        edited(environment, "kindly", word, path)
    prod = environment.controller.contexts["support"].build_proposal(
        NAME, Target("support", 1, "prod")
    )
    environment.store.request([ReconcileRequest(prod, Target("support", 1, "prod"))])
    environment.settle_looks()
    drop(environment)

    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert (prod_on(environment), environment.repository.open()) == (2, [])


@on_every_forge
def test_a_reviewers_own_text_survives_what_was_saved_before_the_merge(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    pull = environment.pull_request()
    text = (environment.repository.text(PATH, pull.head_branch) or "").replace(
        "{question}", "{question} Thanks."
    )
    environment.save("Answer at length.")
    environment.post.lose()
    environment.repository.commit({PATH: text.encode()}, pull.head_branch)
    environment.repository.merge(environment.pull_request())

    environment.sweep()

    pull = environment.pull_request()
    assert environment.says(PATH, pull.head_branch) == "Answer at length."
    assert "{question} Thanks." in (environment.repository.text(PATH, pull.head_branch) or "")


@on_every_forge
def test_a_declined_conflict_does_not_lose_the_edit_when_the_next_version_is_saved(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    edited(environment, "kindly", "briefly")
    environment.save("Answer at length.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    assert published(environment) == ["Answer kindly.", "Answer at length."]

    environment.save("Answer in verse.")
    environment.settle()

    body = environment.pull_request().body
    assert "Answer briefly." in body
    assert "Answer in verse." in body


@on_every_forge
@pytest.mark.parametrize("drop", [nothing, without_stamps])
def test_an_edit_and_its_promotion_in_one_push_are_one_version_that_prod_is_on(
    make_world: MakeWorld, drop: Lose
) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    edit = (environment.repository.text(PATH) or "").replace("kindly", "briefly")
    environment.repository.commit({PATH: edit.encode(), PROD: Promotion(literal=False).of(edit)})
    latest = Target("support", 1, LATEST)
    environment.store.request(
        [
            ReconcileRequest(
                environment.controller.contexts["support"].build_proposal(NAME, latest), latest
            )
        ]
    )
    environment.settle_looks()
    drop(environment)

    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]
    assert (prod_on(environment), environment.repository.open()) == (2, [])


@on_every_forge
def test_a_prompt_that_moved_on_both_sides_keeps_its_ancestor(make_world: MakeWorld) -> None:
    """Renamed in PromptLayer, and its file moved elsewhere in git: neither hides an edit."""
    environment = started(make_world(PUBLISH))
    elsewhere = "prompts/latest/by-hand/greeting.yaml"
    text = environment.repository.text(PATH) or ""
    environment.repository.commit(
        {PATH: None, elsewhere: text.replace("kindly", "briefly").encode()}
    )
    environment.registry.rename(1, "support/answer")

    environment.settle()
    environment.sweep()

    assert published(environment, "support/answer") == ["Answer kindly.", "Answer briefly."]
    assert environment.says(elsewhere, environment.pull_request().head_branch) == "Answer briefly."


def test_a_push_to_a_new_file_without_its_id_is_published_at_once(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    news = ForgeWebhookDelivery(environment)
    path, name = PATH.replace("reply", "greet"), NAME.replace("reply", "greet")
    text = (
        (environment.repository.text(PATH) or "").replace("id: 1\n", "").replace("version: 1\n", "")
    )
    environment.repository.commit({path: text.replace(NAME, name).encode()})
    news.rest()

    edited(environment, "kindly", "briefly", path)
    news.rest()

    assert published(environment, name) == ["Answer kindly.", "Answer briefly."]
    assert environment.says(path, environment.pull_request().head_branch) == "Answer briefly."


def test_a_push_of_a_first_release_sets_the_label_at_once(make_world: MakeWorld) -> None:
    environment = started(make_world(BOTH))
    news = ForgeWebhookDelivery(environment)

    text = (environment.repository.text(PATH) or "").replace("id: 1\n", "")
    environment.repository.commit({PROD: Promotion(literal=False).of(text)})
    news.rest()

    assert prod_on(environment) == 1


@on_every_forge
def test_what_a_reviewer_refused_does_not_come_back_with_the_next_version(
    make_world: MakeWorld,
) -> None:
    environment = started(make_world(PUBLISH))
    before = environment.repository.text(PATH) or ""
    environment.save("Answer rudely.")
    environment.settle()
    pull = environment.pull_request()
    environment.registry.save_version(
        NAME, build_chat_template(("system", "Answer rudely."), ("user", "{question} Thanks."))
    )
    environment.post.lose()
    kept = before.replace("version: 1\n", "version: 2\n")
    environment.repository.commit({PATH: kept.encode()}, pull.head_branch)
    environment.repository.merge(environment.pull_request())

    environment.sweep()

    pull = environment.pull_request()
    assert environment.says(PATH, pull.head_branch) == "Answer kindly."
    assert "{question} Thanks." in (environment.repository.text(PATH, pull.head_branch) or "")


@dataclass
class RecordedQueries:
    """PromptLayer's stand-in, with the path and query of each request for a numbered version."""

    app: ASGIApp
    queries: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope.get("query_string", b"").decode()
        if "version=" in query:
            self.queries.append(f"{scope['path']}?{query}")
        await self.app(scope, receive, send)


def test_a_reconcile_requests_each_numbered_version_once(make_world: MakeWorld) -> None:
    environment = started(make_world(BOTH), labels=["prod"])
    environment.save("Answer with a draft.")
    environment.settle()
    edited(environment, "kindly", "safely", PROD)
    environment.sweep()
    record_and_stamps(environment)
    recorded = RecordedQueries(environment.address.platform)
    environment.address.platform = recorded
    context = environment.controller.contexts[environment.settings[0].name]
    target = Target(context.mapping.name, 1, LATEST)

    observation, _ = plan_proposal(
        context,
        PromptFileIndex(),
        context.build_proposal(NAME, target),
        ReconcileContext((target,)),
        environment.clock(),
    )

    assert observation.edits[0].change.overtaken == ((2, 3),)
    assert recorded.queries
    assert len(recorded.queries) == len(set(recorded.queries))
