"""Carry out a plan: the commit, the push, the pull request made to be as planned.

In this order, so that a kill in between leaves something that the next look completes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bridge.errors import Transient
from bridge.forge.base import PullRequest, PullRequestContent, PullRequestState
from bridge.forge.ensure import Ensured, ensure_pull_request
from bridge.prompts.markdown import code_span, fence, html_text, link, shorten
from bridge.prompts.memory import Memory, TakenOut, recall
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.plan import Plan, Propose, Rest, Tidy, Withdraw, target_of
from bridge.prompts.source import format_of
from bridge.prompts.story import Story
from bridge.steps.branch import FOLLOW_UP, Message, contents, write_commit
from bridge.steps.branch_merge import BranchConflict, BranchMerge
from bridge.steps.evaluation_status import EvaluationStatus, request_evaluation
from bridge.steps.head_content import read_head
from bridge.steps.look import Look
from bridge.steps.pull_request_content import PullRequestDraft, draft_pull_request
from bridge.steps.retarget import is_stranded, prepare_retarget, tell_stranded
from bridge.steps.site import Site
from bridge.steps.telling import message, story

Permit = Callable[[Site], None]  # raises RateLimited when no pull request may be created now

_CONFLICT = "promptlayer-bridge-conflict"
_WITHDRAWN = "promptlayer-bridge-withdrawn"
_MOST_TEXTS = 5  # that a comment on a conflict shows
_LONGEST_TEXT = 8000  # characters


def carry_out(site: Site, look: Look, plan: Plan, permit: Permit) -> Outcome:
    """Do what the plan says and tell what came of it."""
    for surplus in look.surplus:
        _close(site, surplus, f"the same is proposed to {code_span(look.base)} by another one")
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
    if is_stranded(look, plan):
        words = tell_stranded(site, look, plan.pull_request)
        return _outcome(look, OutcomeKind.CONFLICT, words, plan.pull_request, look.tip_name)
    if plan.pull_request is None:
        permit(site)
    told = story(site, look, plan.edits, plan.memory.pending)
    said = message(site, look.snapshot, told, look.causes)
    open_ = plan.pull_request
    is_held = look.is_current and (open_ is None or open_.base == look.base)
    tip, plan = _retarget(site, look, plan, told, said)
    try:
        merged = _merge_branch(look, plan)
    except BranchConflict as conflict:
        return _conflict(site, look, plan, conflict)
    commit = _commit_and_push(site, look, plan, said, merged, tip, is_held=is_held)
    plan = replace(plan, memory=replace(plan.memory, wrote=_find_wrote(look, plan, commit)))
    status = request_evaluation(site, look, plan.pull_request, commit)
    draft = _draft(site, look, plan, commit, merged, status.commit)
    ensured, remarks = _ensure(site, look, plan.pull_request, draft)
    if isinstance(status.problem, Transient):
        raise status.problem
    kind = {
        "created": OutcomeKind.PROPOSED,
        "updated": OutcomeKind.UPDATED,
        "unchanged": OutcomeKind.UNCHANGED,
    }[ensured.action]
    if kind is OutcomeKind.UNCHANGED and commit != look.tip_name:
        kind = OutcomeKind.UPDATED
    reason = "; ".join([look.reason, *remarks, *_tell_status(status)])
    return _outcome(look, kind, reason, ensured.pull_request, commit)


def _retarget(
    site: Site, look: Look, plan: Propose, told: Story, said: Message
) -> tuple[str | None, Propose]:
    """Take an open pull request to the base, if it goes elsewhere; the branch's newest commit
    then, and the plan with the pull request as it is then."""
    open_ = plan.pull_request
    if open_ is None or open_.base == look.base:
        return look.tip_name, plan
    tip = prepare_retarget(site, look, plan, said)
    draft = draft_pull_request(site, told, plan.memory, look.base, open_)
    content = draft.content(site.forge.body_limit)
    ensured = ensure_pull_request(site.forge, open_, look.proposal.branch, look.base, content)
    return tip, replace(plan, pull_request=ensured.pull_request)


def _merge_branch(look: Look, plan: Propose) -> BranchMerge | None:
    """What has to change on a branch that people worked on; None where they did not. Raises
    BranchConflict."""
    if look.branch is None:
        return None
    merged = BranchMerge(look.branch)
    edits = {target_of(look.proposal.mapping, edit): edit for edit in plan.edits}
    idle = {seen.target for seen in look.seen} - {*edits, *look.taken_out}
    merged.merge(edits, idle)
    return merged


def _leave_branch(look: Look, plan: Propose) -> BranchMerge | None:
    """The branch as people left it."""
    if look.branch is None:
        return None
    merged = BranchMerge(look.branch)
    merged.leave_all({target_of(look.proposal.mapping, edit): edit for edit in plan.edits})
    return merged


def _commit_and_push(
    site: Site,
    look: Look,
    plan: Propose,
    said: Message,
    merged: BranchMerge | None,
    tip: str | None,
    *,
    is_held: bool,
) -> str:
    """The branch's newest commit, which says what is proposed; ``tip`` is the one before.
    ``is_held``: the branch holds it already, for the base that it goes to."""
    if merged is not None and not merged.changes:
        is_held = True
    if is_held and tip is not None and tip == look.tip_name:
        return tip
    parent, changes = look.snapshot.commit, contents(plan.edits)
    if merged is not None:
        assert tip is not None
        parent, changes = tip, merged.changes
        said = replace(said, text=f"{said.text.rstrip()}\n{FOLLOW_UP}\n")
    commit = write_commit(site, look.snapshot, parent, changes, said)
    look.snapshot.push(site.forge.git_remote(), look.proposal.branch, commit, tip)
    return commit


def _find_wrote(look: Look, plan: Propose, commit: str) -> str | None:
    """The commit that the bridge wrote last on the branch."""
    if commit != look.tip_name:
        return commit
    written = look.tip.written if look.tip else None
    return written.object_name if written else plan.memory.wrote


def _draft(
    site: Site,
    look: Look,
    plan: Propose,
    commit: str,
    merged: BranchMerge | None,
    status_commit: str | None,
) -> PullRequestDraft:
    """The pull request that describes what merging ``commit`` does."""
    head = read_head(site, look.snapshot, commit, plan.edits, merged)
    told = story(site, look, plan.edits, plan.memory.pending, merged, head)
    memory = replace(plan.memory, status_commit=status_commit)
    return draft_pull_request(site, told, memory, look.base, plan.pull_request)


def _ensure(
    site: Site, look: Look, open_: PullRequest | None, draft: PullRequestDraft
) -> tuple[Ensured, list[str]]:
    """Make the pull request what it should be; with what the forge refused, in words. A refusal
    is written down, so that it is told later as well, and not asked for again."""
    limit = site.forge.body_limit
    content = draft.content(limit)
    ensured = ensure_pull_request(site.forge, open_, look.proposal.branch, look.base, content)
    refused = (*draft.memory.refused, *ensured.refused)
    if ensured.refused:
        final = replace(draft, memory=replace(draft.memory, refused=refused)).content(limit)
        without = PullRequestContent(final.title, final.body, final.draft)
        updated = site.forge.update_pull_request(ensured.pull_request, without)
        ensured = replace(ensured, pull_request=updated)
    if not refused:
        return ensured, []
    names = ", ".join(f"{kind} {name}" for kind, name in refused)
    return ensured, [f"{site.forge.repository} did not take {names}: check `pull_request`"]


def _tell_status(status: EvaluationStatus) -> list[str]:
    return [f"its commit has no status: {status.problem}"] if status.problem else []


def _conflict(site: Site, look: Look, plan: Propose, conflict: BranchConflict) -> Outcome:
    """Tell it on the pull request, whose body goes on describing what its head holds."""
    words = "\n\n".join([*_spelled_conflict(conflict), *_newer_texts(look, conflict)])
    open_, tip = plan.pull_request, look.tip_name
    if open_ is not None:
        site.forge.comment(open_.number, _CONFLICT, words)
        memory = recall(open_.body)
        if memory is not None and tip is not None:  # it proposes what it proposed before
            plan = replace(plan, memory=memory)
            draft = _draft(site, look, plan, tip, _leave_branch(look, plan), memory.status_commit)
            _ensure(site, look, open_, draft)
    return _outcome(look, OutcomeKind.CONFLICT, str(conflict), open_, tip)


def _newer_texts(look: Look, conflict: BranchConflict) -> Iterator[str]:
    """What PromptLayer has of each file that stands against it, folded, with a link to it."""
    against = {*conflict.edited, *conflict.absent}
    for edit in look.edits[:_MOST_TEXTS]:
        change = edit.change
        places = {change.path, change.old_path}
        if edit.text is None or not (places & against or len(look.edits) == 1):
            continue
        text = fence(shorten(edit.text.decode(), _LONGEST_TEXT), format_of(change.path))
        see = f"\n\n{link('See it in PromptLayer', change.link)}." if change.link else ""
        summary = html_text(f"The newer text of {change.path}")
        yield f"<details>\n<summary>{summary}</summary>\n\n{text}{see}\n\n</details>"


def _spelled_conflict(conflict: BranchConflict) -> Iterator[str]:
    """What stands against what, and what a person can do about it."""
    drop = "drop the commits that touch it: the next look then brings the branch up to date."
    if conflict.edited:
        yield (
            f"PromptLayer has a newer text for {_listed(conflict.edited)}, and this branch changed"
            " the same part, so the branch is left as it is. Either take the newer text over by"
            f" hand, or {drop}"
        )
    if conflict.removed:
        yield (
            f"PromptLayer no longer has {_listed(conflict.removed)}, and this branch changed it, so"
            " the branch is left as it is. Either remove the file on this branch, or close this"
            f" pull request to keep the file as the base has it, or {drop}"
        )
    if conflict.absent:
        yield (
            f"PromptLayer has a newer text for {_listed(conflict.absent)}, and this branch removes"
            " the file, so the branch is left as it is. Either merge the removal, or restore the"
            f" file here, or {drop}"
        )


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(code_span(path) for path in paths)


def _withdraw(site: Site, look: Look, plan: Withdraw) -> Outcome:
    number = plan.pull_request.number
    found = site.forge.pull_requests(look.proposal.branch)
    if not any(p.number == number and p.state is PullRequestState.OPEN for p in found):
        # Merged or closed while we looked: that was the better answer.
        return _outcome(look, look.situation.idle_kind, plan.reason)
    kept = look.tip is not None and look.tip.people
    more = ["The branch stays, because it has commits that are not the bridge's."] if kept else []
    taken_out = look.situation.memory.taken_out
    closed = _close(site, plan.pull_request, plan.reason, more, taken_out)
    if not kept:
        _delete_branch(site, look)
    return _outcome(look, OutcomeKind.WITHDRAWN, plan.reason, closed)


def _close(
    site: Site,
    pull_request: PullRequest,
    reason: str,
    more: Sequence[str] = (),
    taken_out: TakenOut = (),
) -> PullRequest:
    """Close a pull request with a word why."""
    words = " ".join([f"Withdrawn: {reason}.", *more])
    site.forge.comment(pull_request.number, _WITHDRAWN, words)
    body = _withdrawn_body(pull_request, taken_out)
    return site.forge.close_pull_request(pull_request, body)


def _withdrawn_body(pull_request: PullRequest, taken_out: TakenOut) -> str:
    """The body as it was, remembering that no person rejected this by closing it."""
    memory = recall(pull_request.body) or Memory("", "")
    text, _, _ = pull_request.body.rpartition("<!-- promptlayer-bridge:")
    text = text or pull_request.body
    now = replace(memory, withdrawn=True, pending=None, taken_out=taken_out)
    return f"{text.rstrip()}\n\n{now.line()}"


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
