"""Build the wanted pull request of a proposal: title, body, draft state, labels and people.
Every reconcile compares it with the present one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.config.mapping_settings import PullRequestSettings
from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.prompts.pull_request.body import render_body
from bridge.prompts.pull_request.check_boxes import CheckBoxAction, render_check_boxes
from bridge.prompts.pull_request.commit_message import render_title
from bridge.prompts.pull_request.metadata import PullRequestMetadata, parse_metadata
from bridge.prompts.pull_request.proposal_summary import ProposalSummary
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.requested_actions import list_offered_actions

Additions = tuple[tuple[str, str], ...]  # (label, reviewer or assignee; its name)


@dataclass(frozen=True)
class PullRequestDraft:
    """A pull request as it should be. ``metadata`` goes into its hidden line."""

    summary: ProposalSummary
    metadata: PullRequestMetadata
    draft: bool
    additions: PullRequestContent  # its title, and the labels and people to add
    check_boxes: tuple[CheckBoxAction, ...] = ()

    def render_content(self, limit: int) -> PullRequestContent:
        """Render the content, with a body of at most ``limit`` characters."""
        line = self.metadata.render_hidden_line()
        boxes = render_check_boxes(self.check_boxes, self.metadata.answers)
        text = render_body(self.summary, limit, line, boxes)
        unasked = replace(self.metadata, requested=()).render_hidden_line()
        return replace(
            self.additions,
            body=text,
            draft=self.draft,
            unfinished_body=text.removesuffix(line) + unasked,
        )


def build_pull_request_draft(
    context: MappingContext,
    summary: ProposalSummary,
    metadata: PullRequestMetadata,
    base: str,
    open_: PullRequest | None,
) -> PullRequestDraft:
    """Build the wanted pull request. An addition that was requested once is not requested again:
    people may have removed it since, and the forge may have refused it."""
    settings = context.mapping.pull_request
    before = parse_metadata(open_.body) if open_ is not None else None
    wanted = _configured(settings, is_conflict=any(one.is_conflict for one in summary.changes))
    known = _find_requested(settings, open_, before)
    refused = before.refused if before else ()
    written = render_title(summary, settings.title)
    metadata = replace(
        metadata,
        base=base,
        title=written,
        requested=_find_own(wanted.additions, known, settings, open_),
        refused=tuple(each for each in refused if each in wanted.additions),
    )
    draft = _is_draft(metadata, settings, open_, before)
    kept = _find_persons_title(open_, before)
    additions = replace(
        _without(wanted, known),
        title=kept or written,
        removed_labels=tuple(
            name
            for kind, name in known
            if kind == "label" and name == settings.conflict_label and name not in wanted.labels
        ),
    )
    offered = list_offered_actions(context)
    if all(change.before is None for change in summary.changes):  # no text to take
        offered = tuple(one for one in offered if one is not CheckBoxAction.TAKE_REPOSITORY)
    return PullRequestDraft(summary, metadata, draft, additions, offered)


def _find_requested(
    settings: PullRequestSettings, open_: PullRequest | None, before: PullRequestMetadata | None
) -> Additions:
    """Find the additions that were requested already. An older bridge requested all of them at
    once, and had no label of conflicts."""
    if open_ is None:
        return ()
    if before is None or before.requested is None:
        return _configured(settings, is_conflict=False).additions
    return before.requested


def _find_own(
    wanted: Additions, known: Additions, settings: PullRequestSettings, open_: PullRequest | None
) -> Additions:
    """Find the additions that the bridge requested and may remove: a label of conflicts that was
    there before is a person's."""
    there = {name.casefold() for name in (open_.labels if open_ is not None else ())}

    def is_persons(kind: str, name: str) -> bool:
        is_label = kind == "label" and name == settings.conflict_label
        return is_label and name not in settings.labels and name.casefold() in there

    return tuple(each for each in wanted if each in known or not is_persons(*each))


def _find_persons_title(
    open_: PullRequest | None, before: PullRequestMetadata | None
) -> str | None:
    """Find the title that a person wrote since the bridge wrote one; None where nobody did."""
    if open_ is None or before is None or before.title in (None, open_.title):
        return None
    return open_.title


def _configured(settings: PullRequestSettings, *, is_conflict: bool) -> PullRequestContent:
    more = (settings.conflict_label,) if is_conflict and settings.conflict_label else ()
    return PullRequestContent(
        title="",
        body="",
        labels=tuple(dict.fromkeys((*settings.labels, *more))),
        reviewers=settings.reviewers,
        assignees=settings.assignees,
    )


def _without(content: PullRequestContent, known: Sequence[tuple[str, str]]) -> PullRequestContent:
    def rest(kind: str, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if (kind, name) not in known)

    return replace(
        content,
        labels=rest("label", content.labels),
        reviewers=rest("reviewer", content.reviewers),
        assignees=rest("assignee", content.assignees),
    )


def _is_draft(
    metadata: PullRequestMetadata,
    settings: PullRequestSettings,
    open_: PullRequest | None,
    before: PullRequestMetadata | None,
) -> bool:
    """Whether it should be a draft: with a pending request it is one, after that as the mapping
    says; otherwise a person's choice stays."""
    if metadata.pending is not None:
        return True
    if open_ is None or (before is not None and before.pending is not None):
        return settings.draft
    return open_.is_draft
