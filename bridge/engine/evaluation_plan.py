"""Which runs the evaluation of one head needs."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_store import EvaluationPurpose, PlannedRun
from bridge.evals.promptlayer_evaluations import (
    CONTENT_VARIABLE,
    EvaluationDefinition,
    PromptLayerEvaluation,
)
from bridge.evals.pull_request_feedback import find_proposed_prompts, find_replaced_prompt
from bridge.forge.forge import PullRequest
from bridge.reconcile.changed_prompts import ChangedPrompt, find_changed_prompts
from bridge.reconcile.mapping_context import MappingContext


@dataclass(frozen=True)
class EvaluationPlan:
    """The runs, or none; ``reason`` is why a prompt that the head changes is not evaluated."""

    runs: tuple[PlannedRun, ...] = ()
    reason: str | None = None
    changes_prompts: bool = True


def plan_evaluation(
    controller: BridgeController,
    context: MappingContext,
    evaluation: PromptLayerEvaluation,
    pull: PullRequest,
    purpose: EvaluationPurpose,
) -> EvaluationPlan:
    """The runs for the prompts of a pull request, each version once. Raises NotFoundError where
    PromptLayer has no such evaluation."""
    if purpose is EvaluationPurpose.PROPOSAL:
        return _plan_proposal(context, evaluation, pull)
    changed = find_changed_prompts(context, controller.file_index, pull)
    if not changed:
        return EvaluationPlan(changes_prompts=False)
    return _plan_changed_prompts(evaluation, evaluation.read_definition(), changed)


def _plan_proposal(
    context: MappingContext, evaluation: PromptLayerEvaluation, pull: PullRequest
) -> EvaluationPlan:
    prompts = find_proposed_prompts(pull, context.promptlayer)
    if not prompts:
        return EvaluationPlan()
    version = evaluation.read_definition().version or 0
    runs: dict[tuple[int, int], PlannedRun] = {}
    for prompt in prompts:
        if prompt.id is None or prompt.version is None:
            continue
        before = find_replaced_prompt(pull, prompt) if evaluation.takes_version else None
        base_version = before.version if before else None
        runs.setdefault(
            (prompt.id, prompt.version),
            PlannedRun(
                evaluation.title,
                version,
                prompt.id,
                prompt.version,
                prompt.label or "",
                prompt.name or "",
                base_version,
            ),
        )
    return EvaluationPlan(_add_base_runs(runs))


def _plan_changed_prompts(
    evaluation: PromptLayerEvaluation,
    definition: EvaluationDefinition,
    changed: tuple[ChangedPrompt, ...],
) -> EvaluationPlan:
    runs: dict[tuple[int, int], PlannedRun] = {}
    left_out = None
    for one in changed:
        if one.version is None and not definition.takes_content:
            left_out = (
                f"{one.prompt.name} is no version of PromptLayer before it is merged, and"
                f" {evaluation.title} has no input variable {CONTENT_VARIABLE} to take it in."
            )
            continue
        run = PlannedRun(
            evaluation.title,
            definition.version or 0,
            one.target.prompt_id,
            one.version or 0,
            one.target.label,
            one.prompt.name,
            one.base_version if evaluation.takes_version else None,
            content=None if one.version else one.prompt.template,
        )
        runs.setdefault((run.prompt_id, run.prompt_version), run)
    return EvaluationPlan(_add_base_runs(runs), left_out)


def _add_base_runs(runs: dict[tuple[int, int], PlannedRun]) -> tuple[PlannedRun, ...]:
    """With the versions that the proposed ones are compared with."""
    found = dict(runs)
    for run in runs.values():
        if run.base_version is not None:
            base = PlannedRun(
                run.evaluation,
                run.evaluation_version,
                run.prompt_id,
                run.base_version,
                name=run.name,
                is_base=True,
            )
            found.setdefault((run.prompt_id, run.base_version), base)
    return tuple(found.values())
