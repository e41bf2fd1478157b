"""Carry out a plan: the commit, the push, the pull request made to be as planned.

In this order, so that a kill in between leaves something that the next look completes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridge.config.mapping import PullRequestSettings
from bridge.evals.telling import STATUS, WAITING
from bridge.forge.base import (
    PullRequest,
    PullRequestContent,
    PullRequestState,
    StatusState,
)
from bridge.forge.ensure import ensure_pull_request
from bridge.prompts.body import body
from bridge.prompts.markdown import code_span
from bridge.prompts.memory import Memory, recall
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.plan import Plan, Propose, Rest, Tidy, Withdraw, first
from bridge.prompts.story import Story
from bridge.prompts.text import title
from bridge.steps.branch import BranchConflict, next_commit
from bridge.steps.look import Look
from bridge.steps.site import Site
from bridge.steps.telling import editors, message, story

Permit = Callable[[Site], None]  # raises RateLimited when no pull request may be created now

_CONFLICT = "promptlayer-bridge-conflict"
_WITHDRAWN = "promptlayer-bridge-withdrawn"


def carry_out(site: Site, look: Look, plan: Plan, permit: Permit) -> Outcome:
    """Do what the plan says and tell what came of it."""
    if isinstance(plan, Propose):
        return _propose(site, look, plan, permit)
    if isinstance(plan, Withdraw):
        return _withdraw(site, look, plan)
    if isinstance(plan, Tidy):
        return _tidy(site, look, plan)
    return _rest(look, plan)


def _rest(look: Look, plan: Rest) -> Outcome:
    return _outcome(look, plan.kind, plan.reason, plan.pull_request)


def _propose(site: Site, look: Look, plan: Propose, permit: Permit) -> Outcome:
    if plan.pull_request is None:
        permit(site)
    who = editors(site, look.causes, look.tip)
    told = story(site, plan.edits, who, plan.memory.pending)
    try:
        commit = _commit_and_push(site, look, plan, told)
    except BranchConflict as conflict:
        return _conflict(site, look, plan, conflict)
    fresh = commit != look.tip_name or plan.pull_request is None
    if site.mapping.evals.required and fresh:
        site.forge.set_status(commit, STATUS, StatusState.PENDING, WAITING, None)
    content = _content(site, plan, told)
    ensured = ensure_pull_request(
        site.forge, plan.pull_request, look.proposal.branch, site.base, content
    )
    kind = {
        "created": OutcomeKind.PROPOSED,
        "updated": OutcomeKind.UPDATED,
        "unchanged": OutcomeKind.UNCHANGED,
    }[ensured.action]
    if kind is OutcomeKind.UNCHANGED and commit != look.tip_name:
        kind = OutcomeKind.UPDATED
    return _outcome(look, kind, look.reason, ensured.pull_request, commit)


def _commit_and_push(site: Site, look: Look, plan: Propose, told: Story) -> str:
    """The branch's newest commit, which says what is proposed."""
    if look.is_current and look.tip_name is not None:
        return look.tip_name
    said = message(site, look.snapshot, told, look.causes)
    commit = next_commit(site, look.snapshot, look.tip, plan.edits, said)
    if commit is None:  # people's commits hold it already
        assert look.tip_name is not None
        return look.tip_name
    look.snapshot.push(site.forge.git_remote(), look.proposal.branch, commit, look.tip_name)
    return commit


def _content(site: Site, plan: Propose, told: Story) -> PullRequestContent:
    settings = site.mapping.pull_request
    return PullRequestContent(
        title=title(told),
        body=body(told, site.forge.body_limit, plan.memory.line()),
        draft=_draft(plan, settings.draft),
        labels=_labels(plan, settings),
        reviewers=settings.reviewers,
        assignees=settings.assignees,
    )


def _labels(plan: Propose, settings: PullRequestSettings) -> tuple[str, ...]:
    conflict = any(edit.change.is_conflict for edit in plan.edits)
    if not conflict or settings.conflict_label is None:
        return settings.labels
    return tuple(dict.fromkeys((*settings.labels, settings.conflict_label)))


def _draft(plan: Propose, configured: bool) -> bool:
    """A pending request makes a draft, its end makes it what the mapping says; else whatever a
    person made of it stays."""
    if plan.memory.pending is not None:
        return True
    if plan.pull_request is None:
        return configured
    before = recall(plan.pull_request.body)
    if before is not None and before.pending is not None:
        return configured
    return plan.pull_request.draft


def _conflict(site: Site, look: Look, plan: Propose, conflict: BranchConflict) -> Outcome:
    paths = ", ".join(code_span(path) for path in conflict.paths)
    words = (
        f"PromptLayer has a newer text for {paths}, and this branch changed the same lines, so the"
        " branch is left as it is. Either take the newer text over by hand, or drop the commits"
        " that touch these files: the next look then brings the branch up to date."
    )
    if plan.pull_request is not None:
        site.forge.comment(plan.pull_request.number, _CONFLICT, words)
    return _outcome(look, OutcomeKind.CONFLICT, str(conflict), plan.pull_request, look.tip_name)


def _withdraw(site: Site, look: Look, plan: Withdraw) -> Outcome:
    still_open = first(
        site.forge.pull_requests(look.proposal.branch, site.base), PullRequestState.OPEN
    )
    if still_open is None:  # merged or closed while we looked: that was the better answer
        return _outcome(look, look.situation.idle_kind, plan.reason)
    kept = look.tip is not None and look.tip.people
    words = f"Withdrawn: {plan.reason}."
    if kept:
        words += " The branch stays, because it has commits that are not the bridge's."
    site.forge.comment(plan.pull_request.number, _WITHDRAWN, words)
    closed = site.forge.close_pull_request(plan.pull_request, _withdrawn_body(plan.pull_request))
    if not kept:
        _delete_branch(site, look)
    return _outcome(look, OutcomeKind.WITHDRAWN, plan.reason, closed)


def _withdrawn_body(pull_request: PullRequest) -> str:
    """The body as it was, remembering that no person rejected this."""
    memory = recall(pull_request.body) or Memory("", "")
    text, _, _ = pull_request.body.rpartition("<!-- promptlayer-bridge:")
    text = text or pull_request.body
    return f"{text.rstrip()}\n\n{replace(memory, withdrawn=True, pending=None).line()}"


def _tidy(site: Site, look: Look, plan: Tidy) -> Outcome:
    _delete_branch(site, look)
    return _outcome(look, look.situation.idle_kind, plan.reason)


def _delete_branch(site: Site, look: Look) -> None:
    if look.tip_name is not None:
        look.snapshot.delete(site.forge.git_remote(), look.proposal.branch, look.tip_name)


def _outcome(
    look: Look,
    kind: OutcomeKind,
    reason: str,
    pull_request: PullRequest | None = None,
    commit: str | None = None,
) -> Outcome:
    return Outcome(
        kind=kind,
        reason=reason,
        pull_request=pull_request.url if pull_request else None,
        number=pull_request.number if pull_request else None,
        commit=commit,
        refusals=look.refusals,
    )
