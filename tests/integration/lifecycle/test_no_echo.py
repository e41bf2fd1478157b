"""No echo: what goes from one side to the other does not come back. Everything either side tells is
delivered, of the bridge's own doings too, and what was made is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.forge.forge_webhooks import PushEvent
from bridge.reconcile.publish_files import publish_files
from bridge.reconcile.publish_plan import plan_publish
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.storage.database import Database
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import NAME, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_webhook_delivery import ForgeWebhookDelivery
from tests.integration.lifecycle.test_forge_events import REPOSITORY, tell
from tests.integration.lifecycle.test_publishing import PUBLISH, edited
from tests.standins.git_http import git


@dataclass(frozen=True)
class Made:
    """What there is of everything that an echo would make more of."""

    versions: int
    pull_requests: int
    commits: int  # on any branch


def made(news: ForgeWebhookDelivery) -> Made:
    repository = news.environment.repository.repository
    return Made(
        len(news.environment.registry.find_entry(NAME).versions),
        len(news.forge.list_all_pull_requests()),
        int(git(repository, "rev-list", "--count", "--branches")),
    )


@pytest.fixture(params=[1, 2], ids=["one bridge", "two bridges"])
def news(
    request: pytest.FixtureRequest, make_world: MakeWorld, tmp_path: Path
) -> Iterator[ForgeWebhookDelivery]:
    """A world at rest, followed by one bridge, or by two that know nothing of each other."""
    environment = make_world(PUBLISH)
    first = environment.controller
    with closing(Database(f"sqlite:///{tmp_path}/another.sqlite")) as database:
        bridges = [first, environment.another_worker(database)][: request.param]
        yield ForgeWebhookDelivery(environment, bridges)
        for bridge in bridges[1:]:
            bridge.inbox.close()
        environment.controller = first


@pytest.mark.parametrize(("how", "commits"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_a_version_goes_to_the_repository_once(
    news: ForgeWebhookDelivery, how: MergeMethod, commits: int
) -> None:
    environment = news.environment
    environment.save("Answer kindly.")
    news.rest()
    environment.repository.merge(environment.pull_request(), how)

    news.rest()
    news.sweep()

    assert made(news) == Made(versions=1, pull_requests=1, commits=1 + commits)
    assert environment.says() == "Answer kindly."


def test_an_edit_goes_to_the_platform_once(news: ForgeWebhookDelivery) -> None:
    environment = news.environment
    in_step(news)
    before = made(news)
    edited(environment, "kindly", "briefly")

    news.rest()
    news.sweep()

    after = Made(before.versions + 1, before.pull_requests, before.commits + 1)
    assert made(news) == after
    assert newest(environment) == "Answer briefly."


def test_the_loop_in_both_directions_makes_exactly_what_is_needed(
    news: ForgeWebhookDelivery,
) -> None:
    environment = news.environment
    in_step(news)
    before, rounds = made(news), 3

    said = "kindly"
    for number in range(rounds):
        environment.save(f"Answer in {number} words.")
        news.rest()
        environment.repository.merge(environment.pull_request(), "squash")
        news.rest()
        edited(environment, f"in {number} words", said := f"in verse {number}")
        news.rest()
        news.sweep()

    needed = Made(
        versions=before.versions + 2 * rounds,  # one saved, one published
        pull_requests=before.pull_requests + rounds,
        commits=before.commits + 2 * rounds,  # one squashed, one by hand
    )
    assert made(news) == needed
    assert newest(environment) == environment.says() == f"Answer {said}."


def test_what_met_in_a_proposal_is_published_once(news: ForgeWebhookDelivery) -> None:
    environment = news.environment
    in_step(news)
    before = made(news)
    environment.save("Answer briefly.")
    edited(environment, "{question}", "{question} Thanks.")
    news.rest()
    environment.repository.merge(environment.pull_request(), "squash")

    news.rest()
    news.sweep()

    needed = Made(before.versions + 2, before.pull_requests + 1, before.commits + 2)
    assert made(news) == needed
    assert newest(environment) == "Answer briefly."


def test_a_bridge_that_comes_second_makes_no_second_version(news: ForgeWebhookDelivery) -> None:
    """It saw the edit before the other one published it; so does one that was killed right after
    publishing and starts again."""
    environment = news.environment
    in_step(news)
    edited(environment, "kindly", "briefly")
    seen = plan_publish(
        news.bridges[-1].contexts["support"], PromptFileIndex(), environment.clock()
    )
    news.rest()

    late = publish_files(seen.context, seen.snapshot, seen.publications)

    assert [(each.published_version, each.problem) for each in late] == [(None, None)]
    assert made(news).versions == 2


def test_a_push_to_another_branch_asks_for_no_look(make_world: MakeWorld) -> None:
    """Every proposal is a push; a sweep for each would read the whole workspace each time."""
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.post.lose()
    commit = environment.repository.head("main")

    tell(environment, PushEvent(REPOSITORY, "promptlayer/support/latest/9", None, commit))
    tell(environment, PushEvent(REPOSITORY, "jane/edit", None, commit))

    assert environment.repository.open() == []


def in_step(news: ForgeWebhookDelivery) -> None:
    """One prompt, the same on both sides."""
    news.environment.save("Answer kindly.")
    news.rest()
    news.environment.repository.merge(news.environment.pull_request(), "squash")
    news.rest()


def newest(environment: BridgeEnvironment) -> str:
    content = environment.registry.find_entry(NAME).latest.template["messages"][0]["content"]
    return str(content[0]["text"])
