"""Take an open proposal to the mapping's base branch, when it goes to another one: the mapping's
base changed, the default branch moved, or a person chose another base on the forge.

At no moment may the pull request bring commits that are neither the bridge's nor of people on its
own branch. So a branch that stands on commits which the new base lacks is first made anew on what
both bases have; then the pull request is retargeted, and then the branch follows the new base.
"""

from __future__ import annotations

from bridge.forge.forge import PullRequest
from bridge.prompts.planning.plan import UpsertPullRequest
from bridge.prompts.pull_request.markdown import format_code_span
from bridge.prompts.pull_request.metadata import parse_metadata
from bridge.reconcile.mapping_context import MappingContext, ReconcileCallbacks
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.proposal_branch import AuthoredMessage, merge_edit_contents, write_commit
from bridge.reconcile.push_changes import find_fork_point

_MARKER = "promptlayer-bridge-base"


def is_stranded(observation: ProposalObservation, plan: UpsertPullRequest) -> bool:
    """Whether the branch has commits of people and stands on a base that is not the mapping's
    any more: a pull request to the new base would bring commits of the old one."""
    before = plan.pull_request or next(iter(observation.plan_input.pull_requests), None)
    if (
        before is None
        or before.base_branch == observation.base
        or observation.tip is None
        or not observation.tip.has_commits_of_people
    ):
        return False
    return not _stands_on_base(observation)


def tell_stranded(
    context: MappingContext, observation: ProposalObservation, open_: PullRequest | None
) -> str:
    """Say so on the pull request, where one is open; the same in words for the outcome."""
    branch, base = observation.proposal.branch, observation.base
    words = (
        f"Mapping {context.mapping.name} proposes to {format_code_span(base)} now. The branch"
        f" {format_code_span(branch)} has commits that are not the bridge's and stands on another branch,"
        f" so it is left as it is. Either rebase it onto {format_code_span(base)}, or "
        + ("merge or close this pull request and " if open_ is not None else "")
        + "delete the branch: the next look then proposes anew."
    )
    if open_ is not None:
        context.forge.upsert_comment(open_.number, _MARKER, words)
    return words.replace("`", "")


def prepare_retarget(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    said: AuthoredMessage,
    callbacks: ReconcileCallbacks,
) -> str | None:
    """Say why on the pull request, and make its branch bring nothing foreign to either base.
    Returns the branch's newest commit."""
    open_, snapshot = plan.pull_request, observation.snapshot
    assert open_ is not None
    context.forge.upsert_comment(open_.number, _MARKER, _why(context, observation, open_))
    if observation.tip is None or observation.tip.has_commits_of_people:
        return observation.tip_commit_id
    onto = observation.tip.base_commit_id
    shared = find_fork_point(snapshot, onto) if onto is not None else None
    if onto is not None and shared == onto:
        return observation.tip_commit_id  # the branch stands on the base
    parent = shared or snapshot.commit
    commit = write_commit(context, snapshot, parent, merge_edit_contents(plan.edits), said)
    callbacks.record_commit(commit)
    snapshot.push_branch(
        context.forge.create_git_remote(),
        observation.proposal.branch,
        commit,
        observation.tip_commit_id,
    )
    return commit


def _why(context: MappingContext, observation: ProposalObservation, open_: PullRequest) -> str:
    metadata = parse_metadata(open_.body)
    if metadata is None or metadata.base != observation.base:
        return (
            f"Mapping {context.mapping.name} proposes to {format_code_span(observation.base)} now."
        )
    return (
        f"Back to {format_code_span(observation.base)}: that is the branch that mapping {context.mapping.name}"
        " proposes to. To have it propose elsewhere, change its `base` in the configuration; to"
        " take this change to another branch as well, open a pull request of your own."
    )


def _stands_on_base(observation: ProposalObservation) -> bool:
    """Whether the base branch has the commit that the branch stands on."""
    onto = observation.tip.base_commit_id if observation.tip else None
    return onto is not None and find_fork_point(observation.snapshot, onto) == onto
