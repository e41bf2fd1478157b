"""The conventions of a repository: commit rules, titles, and who may be an author."""

from __future__ import annotations

import pytest

from bridge.forge.base import Severity
from bridge.prompts.outcome import OutcomeKind
from bridge.steps.push_rules import check_push_rules
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import BOB, BOT, JANE, MakeWorld, World
from tests.standins.protection import (
    GITHUB_COMMIT_RULE,
    GITLAB_COMMIT_RULE,
    require_commit_subject,
)

RULE = "^(feat|chore)\\(prompts\\): "
WORDS = {"local": GITHUB_COMMIT_RULE, "github": GITHUB_COMMIT_RULE, "gitlab": GITLAB_COMMIT_RULE}

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


@on_every_forge
def test_a_subject_template_meets_a_commit_rule(make_world: MakeWorld, forge_name: str) -> None:
    template = "feat(prompts): {action} {prompt}"
    world = make_world({"commit": {"subject": template}, "pull_request": {"title": template}})
    require_commit_subject(world.place.repository, RULE, WORDS[forge_name])

    world.save("Answer kindly.", by=JANE)
    world.settle()
    world.save("Answer briefly.", by=BOB)
    world.settle()

    opened = world.pull_request()
    assert opened.title == "feat(prompts): add support/reply"
    assert world.place.log(opened.head, "%s") == ["feat(prompts): add support/reply"]
    assert world.proposed() == "Answer briefly."


@on_every_forge
def test_a_commit_rule_that_is_not_met_names_the_setting_that_helps(
    make_world: MakeWorld, forge_name: str
) -> None:
    world = make_world({})
    require_commit_subject(world.place.repository, RULE, WORDS[forge_name])

    world.save("Answer kindly.")
    world.settle()

    standing = world.standing()
    assert standing.kind is OutcomeKind.PARKED
    assert "Set the mapping's `commit: {subject: …}` to a template that fits." in standing.reason


@on_every_forge
def test_the_bot_can_be_the_author_and_editors_stay_named(
    make_world: MakeWorld, forge_name: str
) -> None:
    world = make_world({"commit": {"author": "bot"}})

    world.save("Answer kindly.", by=JANE)
    world.settle()
    world.save("Answer briefly.", by=BOB)
    world.settle()

    (told,) = world.place.log(world.pull_request().head, "%ae%n%B")
    assert told.startswith(f"{BOT.email}\n")
    assert "Co-authored-by: Bob Ray <bob@example.com>" in told
    assert "Co-authored-by: Jane Doe <jane@example.com>" in told
    assert "Bob Ray" in world.pull_request().body


def broken(world: World) -> list[str]:
    (site,) = world.worker.sites.values()
    return [each.message for each in check_push_rules(site) if each.severity is Severity.PROBLEM]


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_check_asks_for_the_push_rules_where_the_forge_tells_them(
    make_world: MakeWorld, forge_name: str
) -> None:
    world = make_world({})
    assert broken(world) == []

    world.place.set_commit_rule("^[A-Z]+-[0-9]+ ")

    (told,) = broken(world)
    assert "mapping support cannot push to" in told
    assert "the commit message has to fit `^[A-Z]+-[0-9]+ `" in told
    assert "set the mapping's `commit: {subject: …}`" in told


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_check_is_content_with_a_template_that_fits(make_world: MakeWorld, forge_name: str) -> None:
    world = make_world({"commit": {"subject": "BOT-1 {summary}"}})
    world.place.set_commit_rule("^[A-Z]+-[0-9]+ ")

    assert broken(world) == []


@on_every_forge
def test_a_title_that_a_person_wrote_stays_and_the_bridges_own_follows(
    make_world: MakeWorld, forge_name: str
) -> None:
    world = make_world({})
    world.save("Answer kindly.", by=JANE)
    world.settle()
    world.save("Answer briefly.", by=BOB)
    world.settle()
    assert world.pull_request().title == "Add support/reply (version 2)"

    world.place.edit(world.pull_request(), title="BOT-12 Answer briefly")
    world.sweep()
    world.save("Answer at length.", by=JANE)
    world.settle()

    assert world.pull_request().title == "BOT-12 Answer briefly"
    assert world.proposed() == "Answer at length."
