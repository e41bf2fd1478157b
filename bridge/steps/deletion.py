"""Delete in PromptLayer what a push to the base branch deleted, for mappings that want that."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bridge.errors import BridgeError, NotFound
from bridge.promptlayer.writing import delete_prompt
from bridge.prompts.target import Target
from bridge.steps.observe import BaseFiles, OneByOne
from bridge.steps.site import Site


def delete_prompts(site: Site, files: BaseFiles, deleted: Collection[Target]) -> Iterator[str]:
    """Delete the prompts of targets whose file a push deleted; says what was done.

    Only where no file of the prompt is left under any label, and where PromptLayer still holds
    what the file stood for: a file that went because its label was removed there takes nothing
    with it. A file that is moved out of the mapping's folder counts as deleted.
    """
    left = {target.prompt_id for target in files.all()}
    for target in sorted(deleted):
        if target.prompt_id in left:
            continue
        try:
            held = OneByOne(site).held(target).prompt
            if held is None:
                continue
            listed = site.platform.prompts(name=held.name)
            kinds = (item.is_snippet for item in listed if item.prompt.id == held.id)
            delete_prompt(site.platform, held, is_snippet=next(kinds, False))
        except NotFound:
            continue
        except BridgeError as error:
            yield f"{target.prompt_id} was not deleted in PromptLayer: {error}"
        else:
            yield f"{held.name} is deleted in PromptLayer, as its file was"
