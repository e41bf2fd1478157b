"""Take an open proposal to the mapping's base branch, when it goes to another one: the mapping's
base changed, the default branch moved, or a person chose another base on the forge.

At no moment may the pull request bring commits that are neither the bridge's nor of people on its
own branch. So a branch that stands on commits which the new base lacks is first made anew on what
both bases have; then the pull request is retargeted, and then the branch follows the new base.
"""

from __future__ import annotations

from bridge.forge.base import PullRequest
from bridge.prompts.markdown import code_span
from bridge.prompts.memory import recall
from bridge.prompts.plan import Propose
from bridge.steps.branch import Message, contents, write_commit
from bridge.steps.following import fork_point
from bridge.steps.look import Look
from bridge.steps.site import Site

_MARKER = "promptlayer-bridge-base"


def is_stranded(look: Look, plan: Propose) -> bool:
    """Whether the branch has commits of others and stands on a base that is not the mapping's any
    more: a pull request to the new base would bring what only the old one has."""
    before = plan.pull_request or next(iter(look.situation.pull_requests), None)
    if before is None or before.base == look.base or look.tip is None or not look.tip.people:
        return False
    return not _stands_on_base(look)


def tell_stranded(site: Site, look: Look, open_: PullRequest | None) -> str:
    """Say so on the pull request, where one is open; the same in words for the outcome."""
    branch, base = look.proposal.branch, look.base
    words = (
        f"Mapping {site.mapping.name} proposes to {code_span(base)} now. The branch"
        f" {code_span(branch)} has commits that are not the bridge's and stands on another branch,"
        f" so it is left as it is. Either rebase it onto {code_span(base)}, or "
        + ("merge or close this pull request and " if open_ is not None else "")
        + "delete the branch: the next look then proposes anew."
    )
    if open_ is not None:
        site.forge.comment(open_.number, _MARKER, words)
    return words.replace("`", "")


def prepare_retarget(site: Site, look: Look, plan: Propose, said: Message) -> str | None:
    """Say why on the pull request, and make its branch bring nothing foreign to either base.
    Returns the branch's newest commit."""
    open_, snapshot = plan.pull_request, look.snapshot
    assert open_ is not None
    site.forge.comment(open_.number, _MARKER, _why(site, look, open_))
    if look.tip is None or look.tip.people or _stands_on_base(look):
        return look.tip_name
    onto = look.tip.onto
    shared = fork_point(snapshot, onto) if onto is not None else None
    parent = shared or snapshot.commit
    commit = write_commit(site, snapshot, parent, contents(plan.edits), said)
    snapshot.push(site.forge.git_remote(), look.proposal.branch, commit, look.tip_name)
    return commit


def _why(site: Site, look: Look, open_: PullRequest) -> str:
    memory = recall(open_.body)
    if memory is None or memory.base != look.base:
        return f"Mapping {site.mapping.name} proposes to {code_span(look.base)} now."
    return (
        f"Back to {code_span(look.base)}: that is the branch that mapping {site.mapping.name}"
        " proposes to. To have it propose elsewhere, change its `base` in the configuration; to"
        " take this change to another branch as well, open a pull request of your own."
    )


def _stands_on_base(look: Look) -> bool:
    """Whether the base branch has the commit that the branch stands on."""
    onto = look.tip.onto if look.tip else None
    return onto is not None and fork_point(look.snapshot, onto) == onto
