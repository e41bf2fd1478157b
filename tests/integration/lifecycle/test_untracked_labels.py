"""A label is taken out of ``track``: what the bridge did for it stays, is shown beforehand, and is
found again when the label comes back."""

from __future__ import annotations

import pytest

from bridge.engine.unfollowed_targets import (
    count_open_pull_requests,
    describe_unfollowed,
    find_unfollowed,
)
from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.target_state import TargetState
from bridge.reconcile.scan_mapping import scan_mapping
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_leaving_out import (
    DECLINED,
    MERGED,
    OPEN,
    OTHER,
    THIRD,
    configure,
    entry,
    prune,
)

BOTH, LEFT = ["prod", "staging"], ["prod"]
MERGED_PATH = "prompts/staging/support/reply.yaml"
REASON = "(track: prod)"
on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def begin_in_every_state(environment: BridgeEnvironment) -> None:
    """Of label staging one prompt is merged, one declined and one proposed; of prod one is merged."""
    environment.save("Be brief.", "support/other", labels=["prod"])
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Answer kindly.", labels=["staging"])
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Thank them.", OTHER, labels=["staging"])
    environment.settle()
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    environment.save("Greet them.", THIRD, labels=["staging"])
    environment.settle()
    environment.sweep()


# Ids begin at 2 here, as the prompt of label prod is the first.
IDS = {"merged": MERGED + 1, "declined": DECLINED + 1, "open": OPEN + 1}


def state_of(environment: BridgeEnvironment, name: str) -> TargetState:
    return entry(environment, IDS[name], "staging").state


def preview(environment: BridgeEnvironment) -> str:
    """The line of ``plan`` about what the mapping follows no longer."""
    context, controller = environment.controller.contexts["support"], environment.controller
    found = scan_mapping(context, controller.file_index)
    statuses = controller.store.target_statuses.find_by_mapping("support")
    unfollowed = find_unfollowed(context.mapping, found, statuses)
    count = count_open_pull_requests(context, found, unfollowed)
    return describe_unfollowed("support", unfollowed, count)


@on_every_forge
@pytest.mark.parametrize("forgets", [False, True], ids=["", "lost database"])
@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_label_taken_out_leaves_everything_and_comes_back(
    make_world: MakeWorld, group: str, forgets: bool
) -> None:
    environment = make_world({"track": BOTH, "pull_request": {"group": group}})
    begin_in_every_state(environment)
    opened = environment.pull_request()
    if forgets:
        environment.forget_everything()

    configure(environment, track=LEFT)
    environment.sweep()

    line = preview(environment)
    assert "no longer followed: " in line
    assert "1 open pull request;" in line
    assert REASON in line
    assert environment.pull_request() == opened
    assert environment.says(MERGED_PATH) == "Answer kindly."
    for name in ("merged", "open"):
        assert state_of(environment, name) is TargetState.NOT_FOLLOWED
        assert REASON in entry(environment, IDS[name], "staging").reason
    environment.save("Answer briefly.", labels=["staging"])  # it is nobody's now
    environment.settle()
    assert [one.number for one in environment.repository.open()] == [opened.number]

    configure(environment, track=BOTH)

    assert opened.number in [one.number for one in environment.repository.open()]
    assert environment.says("prompts/staging/support/greet.yaml", opened.head_branch) == (
        "Greet them."
    )
    assert state_of(environment, "merged") is TargetState.OPEN  # the save meanwhile
    assert state_of(environment, "declined") is TargetState.DECLINED
    assert state_of(environment, "open") is TargetState.OPEN


@on_every_forge
def test_pruning_lets_a_label_go_with_the_true_reason(make_world: MakeWorld) -> None:
    environment = make_world({"track": BOTH})
    begin_in_every_state(environment)
    opened = environment.pull_request()
    configure(environment, track=LEFT)

    prune(environment)

    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    comments = "\n".join(environment.repository.comments(opened.number))
    assert "track: prod" in comments
    removal = environment.pull_request()
    assert environment.repository.changed(removal.head_branch) == {MERGED_PATH}
    assert environment.repository.text(MERGED_PATH, removal.head_branch) is None
    assert "track: prod" in removal.body
    environment.repository.merge(removal)
    environment.sweep()
    assert environment.repository.open() == []
    assert environment.repository.text("prompts/prod/support/other.yaml") is not None
