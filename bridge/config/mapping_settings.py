"""The mappings of ``bridge.yaml``: which prompts go to which repository, and how."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from bridge.config.setting_types import PositiveDuration, SecretScanSettings, SettingsSection
from bridge.promptlayer.workspace_source import format_source_name
from bridge.prompts.glob import check_glob
from bridge.prompts.modeline import check_schema_url
from bridge.prompts.paths import (
    DEFAULT_BRANCH,
    DEFAULT_PATH,
    DEFAULT_ROLLING_BRANCH,
    check_branch_template,
    check_path_template,
    find_static_prefix,
    render_branch_prefix,
)
from bridge.prompts.prompt import LATEST, JsonObject
from bridge.prompts.selection import PromptSelection
from bridge.prompts.text_template import SUMMARY, check_text_template


class PullRequestGrouping(StrEnum):
    PROMPT = "prompt"
    MAPPING = "mapping"


class BehindBase(StrEnum):
    """What becomes of a proposal's branch when the base branch moves on."""

    LEAVE = "leave"
    UPDATE = "update"


def _fillable(template: str) -> str:
    check_text_template(template)
    return template


TextTemplate = Annotated[str, AfterValidator(_fillable)]


class CommitSettings(SettingsSection):
    """How commits of a mapping are made, so that they keep a repository's rules."""

    subject: TextTemplate = Field(
        SUMMARY, description="The first line, with fields such as {action} {prompt} {version}."
    )
    author: Literal["editor", "bot"] = Field(
        "editor", description="Who edited in PromptLayer, or the bot with the editor as co-author."
    )


class PullRequestSettings(SettingsSection):
    """How pull requests of a mapping are made."""

    title: TextTemplate = Field(
        SUMMARY, description="Their title, with the same fields as a commit's subject."
    )

    group: PullRequestGrouping = Field(
        PullRequestGrouping.PROMPT,
        description="One pull request for each prompt, or one for the mapping.",
    )
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    conflict_label: str | None = Field(
        "conflict", description="A label more while both sides changed the same part; null: none."
    )
    draft: bool = False
    limit: int = Field(50, ge=1, description="At most so many open at once; the rest waits.")
    behind: BehindBase = Field(
        BehindBase.LEAVE,
        description="When the base moves: leave the branch until its own files change, or update.",
    )


class OnMergeSettings(SettingsSection):
    """What merging a pull request of the bridge does in PromptLayer."""

    move_label: str | None = Field(
        None, description="Moves to exactly the version that was reviewed."
    )
    workflow: str | None = Field(
        None, description="A PromptLayer workflow that each merge starts once, by name or number."
    )
    input: JsonObject = Field(
        default_factory=dict, description="Input variables of the workflow, besides the bridge's."
    )

    @model_validator(mode="after")
    def _something(self) -> OnMergeSettings:
        if self.move_label is None and self.workflow is None:
            raise ValueError("expected move_label, workflow, or both")
        if self.input and self.workflow is None:
            raise ValueError("input is for a workflow: name one")
        return self


class OnRejectSettings(SettingsSection):
    """What closing a pull request of the bridge without a merge does in PromptLayer."""

    label: str | None = Field(None, description="The version that was declined gets it.")
    move_back: bool = Field(
        False, description="The label that a file tracks goes back to the version of the file."
    )

    @model_validator(mode="after")
    def _something(self) -> OnRejectSettings:
        if self.label is None and not self.move_back:
            raise ValueError("expected label, or move_back: true")
        return self


class EvalsSettings(SettingsSection):
    """What evaluations of a mapping's prompts have to reach, and how they are run."""

    minimum: float | None = Field(None, ge=0, le=1, description="The score a change has to reach.")
    drop: float = Field(0.0, ge=0, le=1, description="How far it may fall below the base's.")
    required: bool = Field(
        False, description="A proposal says that it waits for its evaluation until there is one."
    )
    report_id: int | None = Field(None, description="A PromptLayer evaluation, by its number.")
    workflow: str | None = Field(None, description="A PromptLayer workflow, by name or number.")
    run: Literal["command", "bridge"] = Field(
        "command", description="Who starts them: `evals run`, or the bridge for each new head."
    )
    on: tuple[Literal["proposal", "pull_request"], ...] = Field(
        ("proposal",),
        min_length=1,
        description="Whose heads the bridge evaluates: its own proposals, engineers' pull requests.",
    )
    timeout: PositiveDuration = Field(
        timedelta(minutes=30), description="How long the bridge waits for the result of one head."
    )
    record: Literal["log", "table"] = Field(
        "log", description="Where results go: logged requests of the version, or a sheet each run."
    )

    @model_validator(mode="after")
    def _one_way(self) -> EvalsSettings:
        if self.report_id is not None and self.workflow is not None:
            raise ValueError("expected report_id or workflow, got both")
        if self.run == "bridge" and self.report_id is None and self.workflow is None:
            raise ValueError("run: bridge needs to know what to run: set workflow or report_id")
        return self

    def is_started_for(self, change: Literal["proposal", "pull_request"]) -> bool:
        """Whether the bridge starts an evaluation for each new head of such a change."""
        return self.run == "bridge" and change in self.on


def _check_pattern(entry: str) -> str:
    pattern = entry.removeprefix("!")
    if not pattern.strip():
        raise ValueError("expected a name or a glob, got an empty text")
    check_glob(pattern)
    return entry


PromptPattern = Annotated[str, AfterValidator(_check_pattern)]


class MappingSettings(SettingsSection):
    """Which prompts go to which repository, and how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    prompts: tuple[PromptPattern, ...] = Field(
        (),
        description="Names and globs: * and ? within a folder, ** across folders, [a-z], {one,two},"
        " \\ before a character that is meant itself; !name excludes.",
    )
    tags: tuple[str, ...] = Field((), description="Prompts that carry all of these.")
    folder: str | None = Field(None, description="Prompts in this PromptLayer folder or below.")
    workspace: str | None = Field(
        None, description="The PromptLayer workspace, as named under workspaces."
    )
    repository: str = Field(description="forge:owner/name, the forge as named under forges.")
    base: str | None = Field(None, description="The branch merged into; default: the repository's.")
    track: tuple[str, ...] = Field(
        (LATEST,), min_length=1, description="Release labels, or latest: the newest version."
    )
    path: str = DEFAULT_PATH
    branch: str | None = None
    pause: bool = Field(
        False,
        description="Take webhooks in and compare, but write nothing to the repository or"
        " PromptLayer.",
    )
    prune: bool = Field(
        False,
        description="Withdraw and remove by itself what a change of these settings leaves out.",
    )
    publish: bool = Field(False, description="Make a new version in PromptLayer of what is merged.")
    serve: Literal["merged", "platform", "off"] = Field(
        "off",
        description="What applications read through the bridge: the version that is merged, or the"
        " label as PromptLayer has it.",
    )
    write_back: Literal["proposal", "commit"] = Field(
        "proposal", description="How a new prompt's id comes into the file that it was made of."
    )
    on_merge: OnMergeSettings | None = Field(None, description="What a merge does in PromptLayer.")
    on_reject: OnRejectSettings | None = Field(None, description="What a rejection does there.")
    ignore_authors: tuple[str, ...] = Field(
        (),
        description="Logins whose closings decide nothing and whose commits on a proposal's branch"
        " are nobody's work: bots that tidy up or format.",
    )
    on_delete: Literal["report", "delete"] = Field(
        "report", description="What deleting a prompt's last file does in PromptLayer."
    )
    evals: EvalsSettings = Field(
        default_factory=lambda: EvalsSettings.model_validate({}), description="Evaluations."
    )
    format: Literal["yaml", "json"] = "yaml"
    schema_url: str | None = Field(
        None,
        description="The prompt schema that new YAML files name for editors: an https address, or"
        " a path in the repository.",
    )
    commit: CommitSettings = Field(default_factory=lambda: CommitSettings.model_validate({}))
    pull_request: PullRequestSettings = Field(
        default_factory=lambda: PullRequestSettings.model_validate({})
    )
    secrets: SecretScanSettings = SecretScanSettings(allow=())

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        check_path_template(value)
        return value

    @field_validator("serve", mode="before")
    @classmethod
    def _serve(cls, value: object) -> object:
        return "off" if value is False else value  # as YAML 1.1 reads the word off

    @field_validator("schema_url")
    @classmethod
    def _schema_url(cls, value: str | None) -> str | None:
        if value is not None:
            check_schema_url(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> MappingSettings:
        if not (self.prompts or self.tags or self.folder):
            raise ValueError('expected prompts, tags or folder; prompts: ["**"] means every prompt')
        if len(set(self.track)) != len(self.track):
            raise ValueError("track names a label twice")
        if len(self.track) > 1 and "{label}" not in self.path:
            raise ValueError("path needs {label}, as track names more than one")
        if self.path.endswith(".json") != (self.format == "json"):
            raise ValueError("path has to end in .json where format is json, and only there")
        if self.schema_url is not None and self.format == "json":
            raise ValueError("schema_url is for YAML files: JSON has no comment to put it in")
        if self.branch is not None:
            self._check_branch(self.branch)
        return self

    def _check_branch(self, branch: str) -> None:
        try:
            check_branch_template(
                branch, rolling=self.pull_request.group is PullRequestGrouping.MAPPING
            )
        except ValueError as error:
            raise ValueError(f"branch {error}") from None

    @property
    def source(self) -> str:
        """The ``source`` of the deliveries of the mapping's workspace."""
        return format_source_name(self.workspace)

    @property
    def forge_name(self) -> str:
        """The forge's name under ``forges``."""
        return self.repository.partition(":")[0]

    @property
    def repository_name(self) -> str:
        """``owner/name`` on that forge."""
        return self.repository.partition(":")[2]

    def explain_pause(self) -> str:
        """Why nothing is written for a mapping with ``pause: true``, and how that ends."""
        return (
            f"mapping {self.name} is paused (pause: true in its settings): nothing is pushed or"
            " published until that is removed"
        )

    def is_ignored_author(self, *names: str) -> bool:
        """Whether one of these logins or names is among ``ignore_authors``."""
        ignored = {name.removeprefix("@").casefold() for name in self.ignore_authors}
        return any(name.casefold() in ignored for name in names)

    def conflicts_with(self, other: MappingSettings) -> bool:
        """Whether both mappings claim the same files: a file in a mapping's folder with one of its
        labels, of no prompt that it follows, is proposed for removal. Mappings of several
        workspaces share no folder at all, as their ids are unrelated."""
        one, two = find_static_prefix(self.path), find_static_prefix(other.path)
        return (
            self.repository == other.repository
            and (self.base is None or other.base is None or self.base == other.base)
            and (self.workspace != other.workspace or bool(set(self.track) & set(other.track)))
            and (one.startswith(two) or two.startswith(one))
        )

    def shares_branches_with(self, other: MappingSettings) -> bool:
        """Whether proposals of both mappings may have the same branch."""
        return (
            self.repository == other.repository
            and self.branch_template == other.branch_template
            and "{mapping}" not in self.branch_template
        )

    @property
    def branch_template(self) -> str:
        if self.branch is not None:
            return self.branch
        rolling = self.pull_request.group is PullRequestGrouping.MAPPING
        return DEFAULT_ROLLING_BRANCH if rolling else DEFAULT_BRANCH

    @property
    def branch_prefix(self) -> str:
        """The beginning of the mapping's branches: a folder with its slash; the whole name where
        one branch serves all prompts."""
        rolling = self.pull_request.group is PullRequestGrouping.MAPPING
        return render_branch_prefix(self.branch_template, self.name, rolling=rolling)

    @property
    def label_moved_by_merge(self) -> str | None:
        """The label that moves to what was merged; None where none does."""
        return self.on_merge.move_label if self.on_merge else None

    @property
    def selection(self) -> PromptSelection:
        return PromptSelection(self.prompts, self.tags, self.folder)

    @property
    def fingerprint(self) -> str:
        """A short hash of the settings that select prompts."""
        selection_settings = [self.source, self.prompts, self.tags, self.folder, self.track]
        return hashlib.sha256(json.dumps(selection_settings).encode()).hexdigest()[:16]


class MappingsFileSettings(SettingsSection):
    """One file of the mappings folder."""

    mappings: tuple[MappingSettings, ...]
