"""``write_back: commit``: the id of a new prompt comes into its file without a pull request."""

from __future__ import annotations

from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.integration.lifecycle.world import BOT, PATH, MakeWorld, World
from tests.standins.git_http import git

COMMIT = {**PUBLISH, "write_back": "commit"}
NEW = "support/greet"
NEW_PATH = PATH.replace("reply", "greet")
TEXT = (
    "# Greets whoever comes.\nkind: prompt/v1\nname: support/greet\nlabel: latest\ntype: chat\n"
    "messages:\n  - role: system\n    content: Say hello.\n"
)


def with_a_new_file(world: World) -> World:
    world.save("Answer kindly.")
    world.adopt()
    world.place.commit({NEW_PATH: TEXT.encode()})
    return world


def test_the_id_is_committed_to_the_base_branch(make_world: MakeWorld) -> None:
    world = with_a_new_file(make_world(COMMIT))

    world.sweep()
    world.sweep()
    world.settle()

    assert world.held(NEW_PATH).id == 2
    assert (world.place.text(NEW_PATH) or "").startswith("# Greets whoever comes.\n")
    assert world.place.changed("main", "main~1") == {NEW_PATH}
    assert world.place.log("main", "%ae %ce", "main~1") == [f"{BOT.email} {BOT.email}"]
    assert world.place.open() == []
    assert published(world, NEW) == ["Say hello."]


def test_it_is_committed_once(make_world: MakeWorld) -> None:
    world = with_a_new_file(make_world(COMMIT))
    world.sweep()
    world.sweep()
    before = git(world.place.repository, "rev-parse", "main")

    world.sweep()
    world.settle()

    assert git(world.place.repository, "rev-parse", "main") == before
    assert world.place.branches() == set()


def test_a_branch_that_takes_no_commit_gets_a_proposal(make_world: MakeWorld) -> None:
    world = with_a_new_file(make_world(COMMIT))
    protect(world)

    world.sweep()
    world.sweep()

    assert world.held(NEW_PATH).id is None
    assert world.held(NEW_PATH, world.pull_request().head).id == 2


def test_everything_else_is_proposed_as_ever(make_world: MakeWorld) -> None:
    world = with_a_new_file(make_world(COMMIT))
    world.save("Answer briefly.")

    world.settle()

    assert world.says() == "Answer kindly."
    assert world.proposed() == "Answer briefly."


def protect(world: World) -> None:
    """The base branch takes no pushes, as a protected one."""
    hook = world.place.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo protected >&2; exit 1; }\n')
    hook.chmod(0o755)
