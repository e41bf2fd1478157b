"""``write_back: commit``: the id of a new prompt comes into its file without a pull request."""

from __future__ import annotations

from tests.integration.lifecycle.bridge_environment import BOT, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.standins.git_http import git

COMMIT = {**PUBLISH, "write_back": "commit"}
NEW = "support/greet"
NEW_PATH = PATH.replace("reply", "greet")
TEXT = (
    "# Greets whoever comes.\nkind: prompt/v1\nname: support/greet\nlabel: latest\ntype: chat\n"
    "messages:\n  - role: system\n    content: Say hello.\n"
)


def with_a_new_file(environment: BridgeEnvironment) -> BridgeEnvironment:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.repository.commit({NEW_PATH: TEXT.encode()})
    return environment


def test_the_id_is_committed_to_the_base_branch(make_world: MakeWorld) -> None:
    environment = with_a_new_file(make_world(COMMIT))

    environment.sweep()
    environment.sweep()
    environment.settle()

    assert environment.held(NEW_PATH).id == 2
    assert (environment.repository.text(NEW_PATH) or "").startswith("# Greets whoever comes.\n")
    assert environment.repository.changed("main", "main~1") == {NEW_PATH}
    assert environment.repository.log("main", "%ae %ce", "main~1") == [f"{BOT.email} {BOT.email}"]
    assert environment.repository.open() == []
    assert published(environment, NEW) == ["Say hello."]


def test_it_is_committed_once(make_world: MakeWorld) -> None:
    environment = with_a_new_file(make_world(COMMIT))
    environment.sweep()
    environment.sweep()
    before = git(environment.repository.repository, "rev-parse", "main")

    environment.sweep()
    environment.settle()

    assert git(environment.repository.repository, "rev-parse", "main") == before
    assert environment.repository.branches() == set()


def test_a_branch_that_takes_no_commit_gets_a_proposal(make_world: MakeWorld) -> None:
    environment = with_a_new_file(make_world(COMMIT))
    protect(environment)

    environment.sweep()
    environment.sweep()

    assert environment.held(NEW_PATH).id is None
    assert environment.held(NEW_PATH, environment.pull_request().head_branch).id == 2


def test_everything_else_is_proposed_as_ever(make_world: MakeWorld) -> None:
    environment = with_a_new_file(make_world(COMMIT))
    environment.save("Answer briefly.")

    environment.settle()

    assert environment.says() == "Answer kindly."
    assert environment.proposed() == "Answer briefly."


def protect(environment: BridgeEnvironment) -> None:
    """The base branch takes no pushes, as a protected one."""
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo protected >&2; exit 1; }\n')
    hook.chmod(0o755)
