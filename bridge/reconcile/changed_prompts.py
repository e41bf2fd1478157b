"""The prompts that an engineer's pull request changes, as its head has them."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.forge.forge import PullRequest
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.publish_files import find_version
from bridge.reconcile.push_changes import find_fork_point, find_push_changes
from bridge.reconcile.read_sources import BaseFiles
from bridge.repo.prompt_file_index import PromptFileIndex

_REACH = 5  # versions among which the one with the same content is looked for


@dataclass(frozen=True)
class ChangedPrompt:
    """A prompt of a head; ``version`` is the one of PromptLayer with the same content, None where
    there is none, and ``base_version`` the one that the base branch has."""

    target: Target
    prompt: Prompt
    version: int | None
    base_version: int | None


def find_changed_prompts(
    context: MappingContext, index: PromptFileIndex, pull: PullRequest
) -> tuple[ChangedPrompt, ...]:
    """Those with an id whose content differs from where the branch left the base. Files without an
    id are left out: they are no prompts of PromptLayer yet."""
    snapshot = context.fetch()
    before = find_fork_point(snapshot, pull.head_commit)
    if before is None:
        return ()
    changes = find_push_changes(context, index, snapshot, before, pull.head_commit)
    wanted = dict.fromkeys(changes.targets, "")
    head = BaseFiles.read_at_commit(context, snapshot, pull.head_commit, index).find(wanted)
    base = BaseFiles.read_at_commit(context, snapshot, before, index).find(wanted)
    found = []
    for target in sorted(head):
        prompt = head[target].prompt
        former = base[target].prompt if target in base else None
        if prompt is None or (former is not None and former.digest == prompt.digest):
            continue
        found.append(
            ChangedPrompt(
                target,
                prompt,
                find_version(
                    context.promptlayer,
                    target.prompt_id,
                    prompt.digest,
                    reach=_REACH,
                ),
                former.version if former else None,
            )
        )
    return tuple(found)
