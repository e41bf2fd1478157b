"""Check that what the bridge would push for a mapping keeps the repository's push rules."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.forge.base import Finding, Severity
from bridge.forge.push_rules import PushSample, find_broken_rules
from bridge.prompts.prompt import Prompt
from bridge.prompts.story import Change, Story
from bridge.prompts.target import Target
from bridge.prompts.text import commit_message
from bridge.steps.site import Site


def check_push_rules(site: Site) -> Iterator[Finding]:
    """One problem for each rule of the forge that a proposal of the mapping would break."""
    sample = _sample_push(site)
    for sentence in find_broken_rules(site.forge.push_rules(sample.branch_name), sample):
        words = f"mapping {site.mapping.name} cannot push to {site.forge.repository}: {sentence}."
        yield Finding(Severity.PROBLEM, words)


def _sample_push(site: Site) -> PushSample:
    mapping, email = site.mapping, site.bot.identity.email
    label = mapping.track[0]
    after = Prompt("support/reply", {"type": "chat", "messages": []}, id=17, version=9)
    change = Change("reply.yaml", None, label, after, after)
    by_bot = mapping.commit.author == "bot"
    return PushSample(
        commit_message=commit_message(Story(mapping.name, (change,)), mapping.commit.subject),
        author_email=email if by_bot else None,
        committer_email=email,
        branch_name=site.proposal(after.name, Target(mapping.name, 17, label)).branch,
    )
