"""The conventions of a repository: commit rules, titles, and who may be an author."""

from __future__ import annotations

import pytest

from bridge.forge.forge import AccessFindingSeverity
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.reconcile.push_rules import check_push_rules
from tests.integration.lifecycle.bridge_environment import (
    BOB,
    BOT,
    JANE,
    BridgeEnvironment,
    MakeWorld,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.standins.branch_protection import (
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
    environment = make_world({"commit": {"subject": template}, "pull_request": {"title": template}})
    require_commit_subject(environment.repository.repository, RULE, WORDS[forge_name])

    environment.save("Answer kindly.", by=JANE)
    environment.settle()
    environment.save("Answer briefly.", by=BOB)
    environment.settle()

    opened = environment.pull_request()
    assert opened.title == "feat(prompts): add support/reply"
    assert environment.repository.log(opened.head_branch, "%s") == [
        "feat(prompts): add support/reply"
    ]
    assert environment.proposed() == "Answer briefly."


@on_every_forge
def test_a_commit_rule_that_is_not_met_names_the_setting_that_helps(
    make_world: MakeWorld, forge_name: str
) -> None:
    environment = make_world({})
    require_commit_subject(environment.repository.repository, RULE, WORDS[forge_name])

    environment.save("Answer kindly.")
    environment.settle()

    standing = environment.standing()
    assert standing.kind is ReconcileOutcomeKind.PARKED
    assert "Set the mapping's `commit: {subject: …}` to a template that fits." in standing.reason


@on_every_forge
def test_the_bot_can_be_the_author_and_editors_stay_named(
    make_world: MakeWorld, forge_name: str
) -> None:
    environment = make_world({"commit": {"author": "bot"}})

    environment.save("Answer kindly.", by=JANE)
    environment.settle()
    environment.save("Answer briefly.", by=BOB)
    environment.settle()

    (told,) = environment.repository.log(environment.pull_request().head_branch, "%ae%n%B")
    assert told.startswith(f"{BOT.email}\n")
    assert "Co-authored-by: Bob Ray <bob@example.com>" in told
    assert "Co-authored-by: Jane Doe <jane@example.com>" in told
    assert "Bob Ray" in environment.pull_request().body


def broken(environment: BridgeEnvironment) -> list[str]:
    (context,) = environment.controller.contexts.values()
    return [
        each.message
        for each in check_push_rules(context)
        if each.severity is AccessFindingSeverity.PROBLEM
    ]


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_check_asks_for_the_push_rules_where_the_forge_tells_them(
    make_world: MakeWorld, forge_name: str
) -> None:
    environment = make_world({})
    assert broken(environment) == []

    environment.repository.set_commit_rule("^[A-Z]+-[0-9]+ ")

    (told,) = broken(environment)
    assert "mapping support cannot push to" in told
    assert "the commit message has to fit `^[A-Z]+-[0-9]+ `" in told
    assert "set the mapping's `commit: {subject: …}`" in told


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_check_is_content_with_a_template_that_fits(make_world: MakeWorld, forge_name: str) -> None:
    environment = make_world({"commit": {"subject": "BOT-1 {summary}"}})
    environment.repository.set_commit_rule("^[A-Z]+-[0-9]+ ")

    assert broken(environment) == []


@on_every_forge
def test_a_title_that_a_person_wrote_stays_and_the_bridges_own_follows(
    make_world: MakeWorld, forge_name: str
) -> None:
    environment = make_world({})
    environment.save("Answer kindly.", by=JANE)
    environment.settle()
    environment.save("Answer briefly.", by=BOB)
    environment.settle()
    assert environment.pull_request().title == "Add support/reply (version 2)"

    environment.repository.edit(environment.pull_request(), title="BOT-12 Answer briefly")
    environment.sweep()
    environment.save("Answer at length.", by=JANE)
    environment.settle()

    assert environment.pull_request().title == "BOT-12 Answer briefly"
    assert environment.proposed() == "Answer at length."
