"""Check that what the bridge would push for a mapping keeps the repository's push rules."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.forge.push_rules import PushSample, find_broken_rules
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.commit_message import render_commit_message
from bridge.prompts.pull_request.proposal_summary import PromptChange, ProposalSummary
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext


def check_push_rules(context: MappingContext) -> Iterator[AccessFinding]:
    """One problem for each rule of the forge that a proposal of the mapping would break."""
    sample = _sample_push(context)
    for sentence in find_broken_rules(context.forge.push_rules(sample.branch_name), sample):
        words = (
            f"mapping {context.mapping.name} cannot push to {context.forge.repository}: {sentence}."
        )
        yield AccessFinding(AccessFindingSeverity.PROBLEM, words)


def _sample_push(context: MappingContext) -> PushSample:
    mapping, email = context.mapping, context.bot.identity.email
    label = mapping.track[0]
    after = Prompt("support/reply", {"type": "chat", "messages": []}, id=17, version=9)
    change = PromptChange("reply.yaml", None, label, after, after)
    by_bot = mapping.commit.author == "bot"
    return PushSample(
        commit_message=render_commit_message(
            ProposalSummary(mapping.name, (change,)), mapping.commit.subject
        ),
        author_email=email if by_bot else None,
        committer_email=email,
        branch_name=context.build_proposal(after.name, Target(mapping.name, 17, label)).branch,
    )
