"""How applications, and the mappings that serve them, go together. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bridge.config.mapping_conflicts import MisplacedSetting
from bridge.config.mapping_settings import MappingSettings
from bridge.config.serve_settings import ServeSettings
from bridge.prompts.glob import is_literal, matches_glob
from bridge.prompts.selection import PromptSelection

_MAGIC = re.compile(r"[*?\[\]{}\\]")


@dataclass(frozen=True)
class ApplicationMistake:
    """A setting of an application that does not go with the rest of the file."""

    index: int  # of the application
    setting: str
    message: str


def find_serving_conflicts(mappings: Sequence[MappingSettings]) -> Iterator[MisplacedSetting]:
    """Every mapping that may serve a prompt at a label at which an earlier one may serve it too."""
    earlier: dict[tuple[str, str], list[int]] = {}
    for index, mapping in enumerate(mappings):
        if mapping.serve == "off":
            continue
        others = {
            other: label
            for label in mapping.track
            for other in earlier.get((mapping.source, label), ())
        }
        for other, label in others.items():
            if _may_overlap(mapping.selection, mappings[other].selection):
                words = (
                    f"mapping {mappings[other].name} may serve the same prompt at the label"
                    f" {label}; give both prompts: with patterns that no name matches together, or"
                    " let one of them serve: off"
                )
                yield MisplacedSetting(index, "serve", words, other)
                break
        for label in mapping.track:
            earlier.setdefault((mapping.source, label), []).append(index)


def find_application_mistakes(
    serve: ServeSettings | None, workspaces: Collection[str]
) -> Iterator[ApplicationMistake]:
    """What is wrong among the applications. ``workspaces`` are the names of all; none, where there
    is but one and it has no name."""
    names: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for index, application in enumerate(serve.applications if serve else ()):
        if names.setdefault(application.name, index) != index:
            yield ApplicationMistake(index, "name", f"{application.name!r} is used twice")
        own = {token.get_secret_value() for token in application.tokens}
        for token in sorted(own):
            other = tokens.setdefault(token, index)
            if other != index and serve is not None:
                name = serve.applications[other].name
                words = f"application {name} has the same token; give each its own"
                yield ApplicationMistake(index, "tokens", words)
        known = ", ".join(sorted(workspaces))
        if application.workspace is None and len(workspaces) > 1:
            words = f"expected one of {known}, as there are several"
            yield ApplicationMistake(index, "workspace", words)
        elif application.workspace is not None and application.workspace not in workspaces:
            words = (
                f"expected a workspace of this file ({known or 'it has no name: leave this out'})"
            )
            yield ApplicationMistake(index, "workspace", words)


def _may_overlap(one: PromptSelection, two: PromptSelection) -> bool:
    """Whether a prompt may match both, as far as patterns and folders tell."""
    if one.folder is not None and two.folder is not None:
        first, second = (f"{each.strip('/')}/" for each in (one.folder, two.folder))
        if not (first.startswith(second) or second.startswith(first)):
            return False
    return any(
        _patterns_may_overlap(first, second)
        for first in one.wanted or ("**",)
        if first not in two.excluded
        for second in two.wanted or ("**",)
        if second not in one.excluded
    )


def _patterns_may_overlap(one: str, two: str) -> bool:
    if is_literal(one) or is_literal(two):
        return matches_glob(one, two) or matches_glob(two, one)
    first, second = (_MAGIC.split(pattern, maxsplit=1)[0] for pattern in (one, two))
    return first.startswith(second) or second.startswith(first)


def find_serving_gaps(
    mappings: Sequence[MappingSettings], serve: ServeSettings | None
) -> Iterator[str]:
    """What applications would wait for in vain, each as a sentence."""
    applications = serve.applications if serve else ()
    serving = [mapping for mapping in mappings if mapping.serve != "off"]
    for mapping in serving:
        if not any(application.workspace == mapping.workspace for application in applications):
            yield (
                f"Mapping {mapping.name} serves {mapping.serve}, and no application of its workspace"
                " stands under serve.applications: nobody reads it."
            )
        if mapping.serve == "merged" and not mapping.publish:
            yield (
                f"Mapping {mapping.name} serves merged and does not publish: an edit that is merged"
                " is not served before somebody saves the same in PromptLayer. Set publish: true."
            )
    for application in applications:
        of_workspace = [each for each in serving if each.workspace == application.workspace]
        tracked = {label for mapping in of_workspace for label in mapping.track}
        if not of_workspace:
            yield (
                f"Application {application.name} reads nothing: no mapping of its workspace says"
                " serve: merged or serve: platform."
            )
        for label in application.labels if of_workspace else ():
            if label != "*" and label not in tracked:
                yield (
                    f"Application {application.name} reads nothing at the label {label}: no mapping"
                    f" that serves tracks it (they track {', '.join(sorted(tracked))})."
                )
