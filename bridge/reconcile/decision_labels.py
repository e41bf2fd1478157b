"""Move labels in PromptLayer after a pull request was merged or declined. This is done once: the
pull request's hidden line says that it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.errors import BridgeError, ForbiddenError, RequestRefusedError
from bridge.forge.forge import PullRequest, PullRequestContent, PullRequestState
from bridge.promptlayer.publish_version import move_label
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.pull_request.markdown import escape_prose
from bridge.prompts.pull_request.metadata import (
    PullRequestMetadata,
    parse_metadata,
    replace_hidden_line,
)
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.publish_files import PublishResult, find_version

LabelMove = tuple[int, str, int | None]  # prompt id, label, version
CompletedLabelMove = tuple[int, str, int]

_MARKER = "promptlayer-bridge-labels"


@dataclass(frozen=True)
class DecisionLabelChanges:
    """The labels that a decision moved, and a description of that for the outcome."""

    moved: tuple[CompletedLabelMove, ...] = ()
    description: str = ""


def apply_decision_labels(
    context: MappingContext, observation: ProposalObservation, results: Sequence[PublishResult] = ()
) -> DecisionLabelChanges:
    """Move the labels that the mapping wants moved after a merge or a rejection. The merged
    version is found by its content; ``results`` are the versions that were just published. A
    move that PromptLayer refuses becomes a comment on the pull request."""
    last = observation.plan_input.pull_requests[0] if observation.plan_input.pull_requests else None
    metadata = parse_metadata(last.body) if last else None
    if last is None or metadata is None or metadata.followed or metadata.withdrawn:
        return DecisionLabelChanges()
    if not _moves(context, last, metadata):
        return DecisionLabelChanges()
    merged = _MergedVersions(context, observation, last, results)
    moved, refused = _move(context, _moves(context, last, merged.resolve_versions(metadata)))
    refused += merged.without_version
    if merged.without_version and any(result.problem for result in results):
        return DecisionLabelChanges(
            tuple(moved), "; ".join(refused)
        )  # it is published later, and then released
    if refused:
        listed = "\n".join(f"- {escape_prose(each)}" for each in refused)
        context.forge.upsert_comment(
            last.number, _MARKER, f"PromptLayer did not do all of it:\n\n{listed}"
        )
    _remember(context, last, metadata)
    words = [
        f"label {label} of prompt {id} is on version {version}" for id, label, version in moved
    ]
    return DecisionLabelChanges(tuple(moved), "; ".join([*words, *refused]))


class _MergedVersions:
    """Finds the versions in PromptLayer with the content that a pull request was merged with."""

    def __init__(
        self,
        context: MappingContext,
        observation: ProposalObservation,
        pull_request: PullRequest,
        results: Sequence[PublishResult],
    ) -> None:
        self.without_version: list[str] = []  # what no version says, in words
        self._context = context
        self._observation = observation
        self._pull_request = pull_request
        self._results = results

    def resolve_versions(self, metadata: PullRequestMetadata) -> PullRequestMetadata:
        """Replace the proposed versions by those with the merged content: a reviewer may have
        changed the text on the branch, or merged before the body was up to date."""
        if self._pull_request.state is not PullRequestState.MERGED:
            return metadata
        versions = tuple(
            (id, label, self._version(Target(self._context.mapping.name, id, label), number))
            for id, label, number in metadata.versions
        )
        return replace(metadata, versions=versions)

    def _version(self, target: Target, proposed: int | None) -> int | None:
        merged = self._text(target)
        if merged is None:
            return proposed if self._pull_request.merge_commit is None else None
        candidates = [proposed, *self._published(merged)]
        found = find_version(self._context.promptlayer, target.prompt_id, merged.digest, candidates)
        if found is None:
            label = self._context.mapping.label_moved_by_merge or ""
            self.without_version.append(
                f"label {label} of prompt {target.prompt_id} stays where it is: no version says"
                " what was merged"
            )
        return found

    def _text(self, target: Target) -> Prompt | None:
        """Read the target's prompt at the merge commit; None where that is not available."""
        commit = self._pull_request.merge_commit
        if commit is None:
            return None
        try:
            base_files = self._observation.base_files.read_files_at(commit)
            path = next(
                (
                    s.path
                    for s in self._observation.target_observations
                    if s.target == target and s.path
                ),
                "",
            )
            found = base_files.find({target: path})
        except BridgeError:  # the forge has the commit no longer
            return None
        return found[target].prompt if target in found else None

    def _published(self, merged: Prompt) -> list[int | None]:
        return [
            result.published_version.version
            for result in self._results
            if result.published_version is not None and result.file.prompt.digest == merged.digest
        ]


def _moves(
    context: MappingContext, pull_request: PullRequest, metadata: PullRequestMetadata
) -> list[LabelMove]:
    """Which labels of which prompts move to which versions, by this decision."""
    moved, on_reject = context.mapping.label_moved_by_merge, context.mapping.on_reject
    moves: list[LabelMove] = []
    if pull_request.state is PullRequestState.MERGED and moved:
        moves += [(id, moved, version) for id, _, version in metadata.versions]
    if pull_request.state is PullRequestState.CLOSED and on_reject:
        if on_reject.label is not None:
            moves += [(id, on_reject.label, version) for id, _, version in metadata.versions]
        if on_reject.move_back:
            moves += [move for move in metadata.before if move[1] != LATEST]
    return moves


def _move(
    context: MappingContext, moves: Sequence[LabelMove]
) -> tuple[list[CompletedLabelMove], list[str]]:
    moved, refused = [], []
    for prompt_id, label, version in moves:
        if version is None:
            continue
        try:
            if move_label(context.promptlayer, prompt_id, label, version):
                moved.append((prompt_id, label, version))
        except (RequestRefusedError, ForbiddenError) as error:
            refused.append(f"label {label} of prompt {prompt_id}: {error}")
    return moved, refused


def _remember(
    context: MappingContext, pull_request: PullRequest, metadata: PullRequestMetadata
) -> None:
    body = replace_hidden_line(pull_request.body, replace(metadata, followed=True))
    content = PullRequestContent(pull_request.title, body, pull_request.is_draft)
    context.forge.update_pull_request(pull_request, content)
