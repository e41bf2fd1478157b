"""Delete in PromptLayer what a push to the base branch deleted, for mappings that want that."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bridge.errors import BridgeError, NotFoundError
from bridge.promptlayer.publish_version import delete_prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import BaseFiles, SinglePromptReader


def delete_prompts_of_removed_files(
    context: MappingContext, base_files: BaseFiles, deleted: Collection[Target]
) -> Iterator[str]:
    """Delete the prompts of targets whose file a push deleted; returns a description of each
    deletion. A prompt is deleted only where no file of it is left under any label, and where
    PromptLayer still has the content of the deleted file: so a file that went because its
    label was removed deletes nothing. A file that is moved out of the mapping's folder counts
    as deleted."""
    left = {target.prompt_id for target in base_files.find_all_targets()}
    for target in sorted(deleted):
        if target.prompt_id in left:
            continue
        try:
            held = SinglePromptReader(context).read_tracked(target).prompt
            if held is None:
                continue
            listed = context.promptlayer.list_prompts(name=held.name)
            kinds = (item.is_snippet for item in listed if item.prompt.id == held.id)
            delete_prompt(context.promptlayer, held, is_snippet=next(kinds, False))
        except NotFoundError:
            continue
        except BridgeError as error:
            yield f"{target.prompt_id} was not deleted in PromptLayer: {error}"
        else:
            yield f"{held.name} is deleted in PromptLayer, as its file was"
