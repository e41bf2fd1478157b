"""A person checks a box in the body of a pull request, and the bridge does it once and answers there."""

from __future__ import annotations

from itertools import product

import pytest

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.forge_webhooks import PullRequestAction
from bridge.prompts.pull_request.check_boxes import CheckBoxAction, find_checked_actions
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.interruptions import FAULTS, every_interruption
from tests.integration.lifecycle.test_choosing import edited_on_both_sides
from tests.integration.lifecycle.test_forge_events import announce, decision_told
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.standins.fault_injection import status
from tests.standins.git_http import git

every_forge = pytest.mark.parametrize("forge_name", FORGES)
EVALUATED = {"evals": {"required": True}}
LABELS = {
    CheckBoxAction.REBASE: "Rebase now",
    CheckBoxAction.EVALUATE: "Run the evaluation again",
}


def check(
    environment: BridgeEnvironment, pull: PullRequest, action: CheckBoxAction, by: str = "sam"
) -> None:
    """A person clicks the box."""
    box = f"<!-- promptlayer-bridge-box:{action} -->"
    body = pull.body.replace(f"- [ ] {box}", f"- [x] {box}")
    assert body != pull.body, "there is no such box"
    environment.repository.edit_as(pull.number, body, by)


def check_and_announce(
    environment: BridgeEnvironment, action: CheckBoxAction, by: str = "sam"
) -> PullRequest:
    """A person clicks the box, and the forge's webhook arrives; the pull request afterwards."""
    pull = environment.pull_request()
    check(environment, pull, action, by)
    decision_told(environment, pull, PullRequestAction.EDITED)
    return environment.repository.newest(pull.head_branch)


def base_commit(environment: BridgeEnvironment) -> str:
    return environment.repository.head(f"{environment.pull_request().head_branch}~1")


@every_forge
def test_a_checked_box_takes_the_repositorys_text_and_closes_the_pull_request(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()

    closed = check_and_announce(environment, CheckBoxAction.TAKE_REPOSITORY)

    assert closed.state is PullRequestState.CLOSED
    assert published(environment)[-1] == "Answer briefly."
    assert environment.says() == "Answer briefly."
    assert "`sam` checked “Take the repository's text" in closed.body
    assert "[ ]" not in closed.body
    assert find_checked_actions(closed.body) == frozenset()
    comments = environment.repository.comments(closed.number)
    assert any("the repository's text was chosen" in one and "sam" in one for one in comments)
    environment.sweep()
    assert environment.repository.open() == []


@every_forge
def test_a_checked_box_rebases_the_branch_once(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")
    newest = environment.repository.commit({"README.md": b"Another change\n"})
    environment.sweep()
    assert base_commit(environment) != newest

    pull = check_and_announce(environment, CheckBoxAction.REBASE)

    assert base_commit(environment) == newest
    assert environment.proposed() == "Answer kindly."
    assert "`sam` checked “Rebase now”: done, onto the newest main" in pull.body
    assert "- [ ] <!-- promptlayer-bridge-box:rebase -->" in pull.body
    assert find_checked_actions(pull.body) == frozenset()
    head = environment.repository.head(pull.head_branch)
    environment.repository.commit({"README.md": b"One more\n"})
    environment.sweep()
    assert environment.repository.head(pull.head_branch) == head


@every_forge
def test_a_checked_box_asks_for_the_evaluation_by_one_new_commit(make_world: MakeWorld) -> None:
    environment = make_world(EVALUATED)
    environment.propose("Answer kindly.")
    before = environment.pull_request()
    environment.clock.advance(60)

    pull = check_and_announce(environment, CheckBoxAction.EVALUATE)

    assert pull.head_commit != before.head_commit
    assert environment.proposed() == "Answer kindly."
    assert environment.repository.said_on(pull.head_commit).keys() != set()
    assert "a new commit with the same content starts it" in pull.body
    environment.sweep()
    assert environment.repository.head(pull.head_branch) == pull.head_commit


@every_forge
def test_a_box_that_somebody_without_the_right_checked_is_cleared_and_does_nothing(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    before = published(environment)

    pull = check_and_announce(environment, CheckBoxAction.TAKE_REPOSITORY, by="mallory")

    assert pull.state is PullRequestState.OPEN
    assert published(environment) == before
    assert environment.proposed() == "Answer at length."
    assert "`mallory` checked" in pull.body
    assert "mallory may not push to" in pull.body.replace("\u2060", "")
    assert find_checked_actions(pull.body) == frozenset()


@pytest.mark.parametrize("forge_name", ["github"])
def test_a_credential_that_may_not_read_rights_clears_the_box_and_says_so(
    make_world: MakeWorld,
) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")
    faults = environment.repository.faults
    assert faults is not None
    refusal = status(403, {"message": "Resource not accessible by personal access token"})
    faults.add(lambda _, path: path.endswith("/permission"), refusal, times=100)

    pull = check_and_announce(environment, CheckBoxAction.REBASE)

    assert find_checked_actions(pull.body) == frozenset()
    assert "`sam` checked “Rebase now”: not done: " in pull.body
    assert "Metadata: read" in pull.body


@every_forge
def test_a_sweep_finds_a_checked_box_that_no_webhook_announced(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")
    newest = environment.repository.commit({"README.md": b"Another change\n"})
    check(environment, environment.pull_request(), CheckBoxAction.REBASE)

    environment.sweep()

    assert base_commit(environment) == newest
    assert find_checked_actions(environment.pull_request().body) == frozenset()


def count_commits(environment: BridgeEnvironment) -> int:
    """All commits of the repository, those that no branch has any more included."""
    listed = git(
        environment.repository.repository,
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objecttype)",
    )
    return listed.split().count("commit")


@pytest.mark.parametrize(("forge_name", "how"), list(product(FORGES, FAULTS)))
@pytest.mark.parametrize("action", [CheckBoxAction.REBASE, CheckBoxAction.EVALUATE])
def test_what_a_box_asks_for_is_done_once_wherever_it_is_cut_short(
    make_world: MakeWorld, action: CheckBoxAction, how: str
) -> None:
    environment = make_world(EVALUATED)
    environment.propose("Answer kindly.")
    before, pull = 0, environment.pull_request()

    def prepare(number: int) -> None:
        nonlocal before, pull
        environment.repository.commit({"README.md": f"Change {number}\n".encode()})
        environment.sweep()
        before, pull = count_commits(environment), environment.pull_request()

    def act(_: int) -> None:
        environment.clock.advance(60)
        check(environment, pull, action)
        announce(environment, pull, PullRequestAction.EDITED)

    def require_once(_: int) -> None:
        pull = environment.pull_request()
        assert count_commits(environment) == before + 1
        assert find_checked_actions(pull.body) == frozenset()
        assert f"`sam` checked “{LABELS[action]}”" in pull.body
        assert environment.repository.head(f"{pull.head_branch}~1") == environment.repository.head(
            "main"
        )

    requests = every_interruption(environment, how, act, require_once, prepare)
    assert len(requests) > 3


def test_a_branch_with_commits_of_people_is_not_rebased(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")
    environment.edit_branch("kindly", "very kindly")
    environment.sweep()
    environment.repository.commit({"README.md": b"Another change\n"})
    head = environment.repository.head(environment.pull_request().head_branch)

    pull = check_and_announce(environment, CheckBoxAction.REBASE)

    assert environment.repository.head(pull.head_branch) == head
    assert "not done, because the branch has commits of people" in pull.body


def test_the_evaluation_of_a_branch_with_commits_of_people_runs_again_too(
    make_world: MakeWorld,
) -> None:
    environment = make_world(EVALUATED)
    environment.propose("Answer kindly.")
    environment.edit_branch("kindly", "very kindly")
    environment.sweep()
    before = environment.repository.head(environment.pull_request().head_branch)

    pull = check_and_announce(environment, CheckBoxAction.EVALUATE)

    assert environment.repository.head(f"{pull.head_branch}~1") == before
    assert environment.proposed() == "Answer very kindly."


def test_boxes_are_offered_where_they_can_be_done(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")

    body = environment.pull_request().body

    assert f"box:{CheckBoxAction.REBASE} " in body
    assert f"box:{CheckBoxAction.TAKE_REPOSITORY} " not in body  # it does not publish
    assert f"box:{CheckBoxAction.EVALUATE} " not in body  # nothing is required


def test_a_box_that_is_not_offered_does_nothing(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.save("Answer kindly.")
    environment.adopt()
    environment.propose("Answer at length.")
    pull = environment.pull_request()
    body = pull.body.replace(
        "- [ ] <!-- promptlayer-bridge-box:rebase -->",
        "- [x] <!-- promptlayer-bridge-box:take-repository -->",
    )
    environment.repository.edit_as(pull.number, body, "sam")

    decision_told(environment, pull, PullRequestAction.EDITED)

    assert environment.proposed() == "Answer at length."
    assert environment.says() == "Answer kindly."
    assert find_checked_actions(environment.pull_request().body) == frozenset()


def test_the_text_of_a_prompt_checks_no_box(make_world: MakeWorld) -> None:
    environment = make_world()
    environment.propose("Answer kindly.")
    section = environment.pull_request().body.partition("<!-- promptlayer-bridge-boxes -->")
    forged = "".join(section[1:]).replace("[ ]", "[x]")
    head = environment.repository.commit({"README.md": b"Another change\n"})

    environment.propose(f"\n\n{forged}\n")
    environment.sweep()

    pull = environment.pull_request()
    assert find_checked_actions(pull.body) == frozenset()
    assert "checked" not in pull.body.rpartition("<!-- promptlayer-bridge-boxes -->")[2]
    assert head
    assert environment.repository.text(PATH, pull.head_branch)
