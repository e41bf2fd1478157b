"""The context of a mapping: its settings, its repository, and its PromptLayer workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.config.bridge_config import PersonSettings
from bridge.config.mapping_settings import MappingSettings
from bridge.errors import NotFoundError, UnsafePathError
from bridge.forge.forge import Forge
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.modeline import find_modeline
from bridge.prompts.paths import (
    build_branch_name,
    build_file_path,
    find_label_of_path,
    find_static_prefix,
    fits_template,
    may_be_of_label,
)
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.proposal_summary import PromptEditor
from bridge.prompts.target import Proposal, Target
from bridge.repo.commit import CommitSigning, GitIdentity
from bridge.repo.mirror import RepositoryMirror
from bridge.repo.prompt_file_index import PromptFileOwner
from bridge.repo.snapshot import RepositorySnapshot


@dataclass(frozen=True)
class CommitterIdentity:
    """The name, address and key that commits are made with."""

    identity: GitIdentity
    signing: CommitSigning | None = None


@dataclass(frozen=True)
class EditorRoster:
    """Finds the identity of a PromptLayer user in git and on the forge."""

    people: tuple[PersonSettings, ...] = ()

    @cached_property
    def _by_key(self) -> Mapping[str, PersonSettings]:
        by_email = {person.email.casefold(): person for person in self.people if person.email}
        return by_email | {person.promptlayer.casefold(): person for person in self.people}

    def find_editor(self, name: str | None, email: str | None) -> PromptEditor | None:
        """Find the person behind an event's user; None when the event names nobody."""
        known = next(
            (
                self._by_key[key.casefold()]
                for key in (email, name)
                if key and key.casefold() in self._by_key
            ),
            None,
        )
        if known is not None:
            name, email = known.name or name, known.email or email
        if not (name or email):
            return None
        return PromptEditor(name or str(email), email, known.login if known else None)


@dataclass(frozen=True)
class MappingContext:
    mapping: MappingSettings
    promptlayer: PromptLayerClient
    forge: Forge
    mirror: RepositoryMirror
    bot: CommitterIdentity
    roster: EditorRoster
    version_url_template: str  # with {workspace}, {id} and {version}
    neighbours: tuple[MappingSettings, ...] = ()  # the other mappings of the repository

    @property
    def base_branch(self) -> str:
        """The branch that proposals are merged into. The forge caches its default branch: a
        cached property here would, before Python 3.12, let one forge that hangs block all
        others."""
        return self.mapping.base or self.forge.find_default_branch()

    def fetch(self) -> RepositorySnapshot:
        """Fetch the base branch and the mapping's branches. A base that is gone may be the
        forge's default branch under its old name, so the forge is asked again."""
        base = self.base_branch
        try:
            return self.mirror.fetch(self.forge.create_git_remote(), base, self.branch_prefix)
        except NotFoundError:
            if self.mapping.base is not None or self.read_default_branch() == base:
                raise
            return self.mirror.fetch(
                self.forge.create_git_remote(), self.base_branch, self.branch_prefix
            )

    def read_default_branch(self) -> str | None:
        """Ask the forge anew where the mapping names no base; None where it does."""
        return None if self.mapping.base else self.forge.find_default_branch(fresh=True)

    def differs_from(self, other: MappingContext) -> bool:
        """Whether its prompts, its files or their places may differ from those of another
        context of the same name."""
        places = (self.mapping, self.promptlayer, self.forge, self.mirror)
        return places != (other.mapping, other.promptlayer, other.forge, other.mirror)

    @property
    def folder(self) -> str:
        """The folder that holds all of the mapping's files; "" is the whole repository."""
        return find_static_prefix(self.mapping.path)

    def explain_misplacement(self, path: str) -> str | None:
        """Explain why a file cannot stay at ``path`` since the mapping's settings changed; None
        where it can."""
        if format_of(path) != self.mapping.format:
            return f"mapping {self.mapping.name} writes {self.mapping.format.upper()} now"
        if not path.startswith(self.folder):
            return f"mapping {self.mapping.name} has its files in {self.folder} now"
        return None

    @property
    def branch_prefix(self) -> str:
        """The prefix that all branches of the mapping share."""
        return self.mapping.branch_template.partition("{")[0]

    def build_file_path(self, prompt: Prompt, label: str) -> str:
        """Build the path of a prompt's file. Raises UnsafePathError where the template makes no
        safe path."""
        return build_file_path(
            self.mapping.path,
            prompt=prompt.name,
            label=label,
            mapping=self.mapping.name,
            id=prompt.id or 0,
        )

    def build_modeline(self, path: str) -> str:
        """Build the first line of a new file at ``path``."""
        return find_modeline(self.mapping.schema_url, path)

    def may_hold_prompt(self, path: str) -> bool:
        """Whether the mapping's template may put a prompt's file at ``path``."""
        return fits_template(self.mapping.path, path)

    def is_tracked_by_neighbour(self, path: str, label: str) -> bool:
        """Whether a file that the mapping does not follow lies in the folder of another mapping
        that tracks its label."""
        return any(
            label in other.track and path.startswith(find_static_prefix(other.path))
            for other in self.neighbours
        )

    def find_label_at(self, prompt: Prompt, path: str) -> str | None:
        """Find the tracked label whose file of a prompt belongs at this path."""
        for label in self.mapping.track:
            try:
                if self.build_file_path(prompt, label) == path:
                    return label
            except UnsafePathError:
                continue
        return None

    def find_owned_label(
        self, path: str, name: str | None, id: int | None, label: str | None
    ) -> str | None:
        """Find the label whose file stands at a path. That is the ``label`` that the file says,
        unless the file stands in the place of another one: whoever copied it there may have
        forgotten that line."""
        if label not in self.mapping.track or name is None:
            return label
        others = (other for other in self.mapping.track if other != label)
        if not any(may_be_of_label(path, other) for other in others):
            return label
        return self.find_label_at(Prompt(name, {}, id=id), path) or label

    def place_owners(self, owners: Mapping[str, PromptFileOwner]) -> dict[str, PromptFileOwner]:
        """Path → owner, each with the label in whose place its file stands."""
        if len(self.mapping.track) == 1:
            return dict(owners)
        labels = (
            (path, owner, self.find_owned_label(path, owner.name, owner.prompt_id, owner.label))
            for path, owner in owners.items()
        )
        return {
            path: owner if label == owner.label else replace(owner, label=label)
            for path, owner, label in labels
        }

    def find_label_of_path(self, path: str) -> str | None:
        """The one tracked label whose files may stand at this path, whatever prompt they are of."""
        mapping = self.mapping
        return find_label_of_path(mapping.path, path, mapping.track, mapping.name)

    def build_proposal(self, prompt_name: str, target: Target) -> Proposal:
        """Which proposal a target belongs to."""
        branch = build_branch_name(
            self.mapping.branch_template,
            prompt=prompt_name,
            label=target.label,
            mapping=self.mapping.name,
            id=target.prompt_id,
        )
        return Proposal(self.mapping.name, branch)

    def build_version_link(self, prompt: Prompt) -> str | None:
        """The version's page in PromptLayer, when the workspace is known."""
        if prompt.workspace_id is None or prompt.id is None:
            return None
        return self.build_prompt_link(prompt.workspace_id, prompt.id, prompt.version)

    def build_prompt_link(
        self, workspace_id: int, prompt_id: int, version: int | None = None
    ) -> str:
        """The page of a prompt's version in PromptLayer."""
        return self.version_url_template.format(
            workspace=workspace_id, id=prompt_id, version=version or ""
        )


CreationPermit = Callable[[MappingContext], None]
"""Raises RateLimitedError when no pull request may be created now."""


@dataclass(frozen=True)
class ReconcileCallbacks:
    """The functions of the engine that the reconcile of one proposal calls."""

    permit: CreationPermit
    record_commit: Callable[[str], None]  # the commit that is about to be pushed to its branch
