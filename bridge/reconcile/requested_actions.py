"""Read the check boxes that a person checked in an open pull request, and whether that person may ask
for it. The body is read from the forge, and the forge says who edited it last: no event decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import PermanentError
from bridge.prompts.planning.plan import find_open
from bridge.prompts.pull_request.check_boxes import CheckBoxAction, find_checked_actions
from bridge.prompts.pull_request.metadata import CheckBoxAnswer, PullRequestMetadata
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_branch import BranchTip
from bridge.reconcile.proposal_state import ProposalState

_CONFLICT = "not done, because this branch conflicts with PromptLayer's newer text"


@dataclass(frozen=True)
class RequestedActions:
    """The checked actions. With a refusal, none of them is done."""

    checked: frozenset[CheckBoxAction] = frozenset()
    by: str = ""  # login; empty where the forge does not say it
    refusal: str | None = None
    rebase_answer: str = ""
    needs_new_commit: bool = False  # for the rebase, or to run the evaluation again
    at: datetime | None = None  # when they were read

    def contains(self, action: CheckBoxAction) -> bool:
        """Whether this action is to be done."""
        return self.refusal is None and action in self.checked

    def build_answers(self, *, has_conflict: bool = False) -> tuple[CheckBoxAnswer, ...]:
        """Build the answer to each checked box, for the body."""
        return tuple(
            CheckBoxAnswer(action, self.by, _CONFLICT if has_conflict else self._answer(action))
            for action in sorted(self.checked)
        )

    def describe(self) -> Iterator[str]:
        """Describe each checked box and its answer, for the outcome."""
        for one in self.build_answers():
            yield f"{one.by or 'somebody'} checked {one.action}: {one.result}"

    def _answer(self, action: CheckBoxAction) -> str:
        if self.refusal is not None:
            return self.refusal
        answers = {
            CheckBoxAction.TAKE_REPOSITORY: "done, where the repository has a text",
            CheckBoxAction.REBASE: self.rebase_answer,
            CheckBoxAction.EVALUATE: "a new commit with the same content starts it",
        }
        return answers[action]


def list_offered_actions(context: MappingContext) -> tuple[CheckBoxAction, ...]:
    """List the actions that a mapping's pull requests offer."""
    offered = [CheckBoxAction.REBASE]
    if context.mapping.publish:
        offered.insert(0, CheckBoxAction.TAKE_REPOSITORY)
    if context.mapping.evals.required or context.mapping.evals.is_started_for("proposal"):
        offered.append(CheckBoxAction.EVALUATE)
    return tuple(offered)


def read_requested_actions(
    context: MappingContext, state: ProposalState, now: datetime
) -> RequestedActions:
    """Read the checked boxes of a proposal's open pull request. The forge is asked who checked them
    only where one is checked: two requests."""
    open_ = find_open(state.pull_requests, state.base_files.snapshot.base)
    checked = find_checked_actions(open_.body) if open_ is not None else frozenset()
    checked &= frozenset(list_offered_actions(context))
    if open_ is None or not checked:
        return RequestedActions()
    by = ""
    try:
        by = context.forge.find_body_editor(open_)
        refusal = _find_refusal(context, by)
    except PermanentError as error:  # the credential may not read it
        refusal = f"not done: {error}"
    if refusal is not None:
        return RequestedActions(checked, by, refusal)
    can_rebase, rebase_answer = _judge_rebase(state)
    return RequestedActions(
        checked,
        by,
        rebase_answer=rebase_answer,
        needs_new_commit=(CheckBoxAction.REBASE in checked and can_rebase)
        or (
            CheckBoxAction.EVALUATE in checked and not _is_pushed(state.branch_tip, state.metadata)
        ),
        at=now,
    )


def _find_refusal(context: MappingContext, by: str) -> str | None:
    """Why the request of this person is refused; None where it is not."""
    if not by:
        return f"not done, because {context.forge.repository} does not say who checked it"
    if not context.forge.may_write(by):
        return f"not done, because {by} may not push to {context.forge.repository}"
    return None


def _judge_rebase(state: ProposalState) -> tuple[bool, str]:
    """Whether the branch is to be rebased, and the answer."""
    tip, snapshot = state.branch_tip, state.base_files.snapshot
    if tip is not None and tip.has_commits_of_people:
        return False, "not done, because the branch has commits of people: rebase it with git"
    if tip is not None and tip.base_commit_id == snapshot.commit:
        return False, f"the branch is on the newest {snapshot.base}"
    return True, f"done, onto the newest {snapshot.base}"


def _is_pushed(tip: BranchTip | None, metadata: PullRequestMetadata | None) -> bool:
    """Whether a commit was pushed since the body was written: by a reconcile that was interrupted
    before it answered."""
    written = tip.newest_bridge_commit if tip else None
    return written is None or metadata is None or metadata.wrote != written.object_id
