"""No echo: what goes from one side to the other does not come back. Everything either side tells is
delivered, of the bridge's own doings too, and what was made is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.forge.webhooks import Pushed
from bridge.repo.index import FileIndex
from bridge.steps.publish import publish_all
from bridge.steps.survey import survey
from bridge.storage.database import Database
from tests.contract.case import MergeHow
from tests.integration.lifecycle.forge_news import ForgeNews
from tests.integration.lifecycle.test_forge_events import REPOSITORY, tell
from tests.integration.lifecycle.test_publishing import PUBLISH, edited
from tests.integration.lifecycle.world import NAME, MakeWorld, World
from tests.standins.git_http import git


@dataclass(frozen=True)
class Made:
    """What there is of everything that an echo would make more of."""

    versions: int
    pull_requests: int
    commits: int  # on any branch


def made(news: ForgeNews) -> Made:
    repository = news.world.place.repository
    return Made(
        len(news.world.registry.entry(NAME).versions),
        len(news.forge.every_pull_request()),
        int(git(repository, "rev-list", "--count", "--branches")),
    )


@pytest.fixture(params=[1, 2], ids=["one bridge", "two bridges"])
def news(
    request: pytest.FixtureRequest, make_world: MakeWorld, tmp_path: Path
) -> Iterator[ForgeNews]:
    """A world at rest, followed by one bridge, or by two that know nothing of each other."""
    world = make_world(PUBLISH)
    first = world.worker
    with closing(Database(f"sqlite:///{tmp_path}/another.sqlite")) as database:
        bridges = [first, world.another_worker(database)][: request.param]
        yield ForgeNews(world, bridges)
        for bridge in bridges[1:]:
            bridge.inbox.close()
        world.worker = first


@pytest.mark.parametrize(("how", "commits"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_a_version_goes_to_the_repository_once(
    news: ForgeNews, how: MergeHow, commits: int
) -> None:
    world = news.world
    world.save("Answer kindly.")
    news.rest()
    world.place.merge(world.pull_request(), how)

    news.rest()
    news.sweep()

    assert made(news) == Made(versions=1, pull_requests=1, commits=1 + commits)
    assert world.says() == "Answer kindly."


def test_an_edit_goes_to_the_platform_once(news: ForgeNews) -> None:
    world = news.world
    in_step(news)
    before = made(news)
    edited(world, "kindly", "briefly")

    news.rest()
    news.sweep()

    after = Made(before.versions + 1, before.pull_requests, before.commits + 1)
    assert made(news) == after
    assert newest(world) == "Answer briefly."


def test_the_loop_in_both_directions_makes_exactly_what_is_needed(news: ForgeNews) -> None:
    world = news.world
    in_step(news)
    before, rounds = made(news), 3

    said = "kindly"
    for number in range(rounds):
        world.save(f"Answer in {number} words.")
        news.rest()
        world.place.merge(world.pull_request(), "squash")
        news.rest()
        edited(world, f"in {number} words", said := f"in verse {number}")
        news.rest()
        news.sweep()

    needed = Made(
        versions=before.versions + 2 * rounds,  # one saved, one published
        pull_requests=before.pull_requests + rounds,
        commits=before.commits + 2 * rounds,  # one squashed, one by hand
    )
    assert made(news) == needed
    assert newest(world) == world.says() == f"Answer {said}."


def test_what_met_in_a_proposal_is_published_once(news: ForgeNews) -> None:
    world = news.world
    in_step(news)
    before = made(news)
    world.save("Answer briefly.")
    edited(world, "{question}", "{question} Thanks.")
    news.rest()
    world.place.merge(world.pull_request(), "squash")

    news.rest()
    news.sweep()

    needed = Made(before.versions + 2, before.pull_requests + 1, before.commits + 2)
    assert made(news) == needed
    assert newest(world) == "Answer briefly."


def test_a_bridge_that_comes_second_makes_no_second_version(news: ForgeNews) -> None:
    """It saw the edit before the other one published it; so does one that was killed right after
    publishing and starts again."""
    world = news.world
    in_step(news)
    edited(world, "kindly", "briefly")
    seen = survey(news.bridges[-1].sites["support"], FileIndex(), world.clock())
    news.rest()

    late = publish_all(seen.site, seen.snapshot, seen.publications)

    assert [(each.published, each.problem) for each in late] == [(None, None)]
    assert made(news).versions == 2


def test_a_push_to_another_branch_asks_for_no_look(make_world: MakeWorld) -> None:
    """Every proposal is a push; a sweep for each would read the whole workspace each time."""
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.post.lose()
    commit = world.place.head("main")

    tell(world, Pushed(REPOSITORY, "promptlayer/support/latest/9", None, commit))
    tell(world, Pushed(REPOSITORY, "jane/edit", None, commit))

    assert world.place.open() == []


def in_step(news: ForgeNews) -> None:
    """One prompt, the same on both sides."""
    news.world.save("Answer kindly.")
    news.rest()
    news.world.place.merge(news.world.pull_request(), "squash")
    news.rest()


def newest(world: World) -> str:
    content = world.registry.entry(NAME).latest.template["messages"][0]["content"]
    return str(content[0]["text"])
