"""A prompt's release: the version that the base branch names for a label, and PromptLayer's answer
for that version. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property


@dataclass(frozen=True, order=True, slots=True)
class ReleaseKey:
    """A prompt of one workspace at one label."""

    source: str  # of the workspace, as its deliveries carry it
    prompt_id: int
    label: str  # LATEST or a release label


@dataclass(frozen=True, slots=True)
class PromptRelease:
    """The version that is served for a key."""

    key: ReleaseKey
    name: str  # of the prompt
    version: int
    mapping: str
    commit: str  # of the base branch, which brought this content
    path: str  # of the file in the repository
    released_at: datetime  # since when this version is served
    confirmed_at: datetime  # when the bridge last saw that the base branch still names it
    warning: str | None = None  # why a newer merged content is not served yet
    revision: int = 0  # of the store; grows with every change


@dataclass(frozen=True, order=True, slots=True)
class AnswerKey:
    """One of PromptLayer's answers: rendering is skipped, and it was asked for as an application
    asks. ``provider`` and ``model`` are "" where the application names none."""

    source: str
    prompt_id: int
    version: int
    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """PromptLayer's answer for one version, unrendered."""

    key: AnswerKey
    body: bytes  # JSON, as it is sent; without the key of a custom provider
    etag: str  # strong, in quotes: a digest of the body
    provider_key: str | None = field(default=None, repr=False)  # in memory only, never stored


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release as the store has it, with what proves it. Its ``release`` has version 0 where
    nothing is served: yet, and then its ``warning`` says why, or any more."""

    release: PromptRelease
    digest: str = ""  # of the content that is served; "" where PromptLayer's label decides
    blob: str = ""  # git's name of the file whose content is served
    doubtful_blob: str = ""  # of the merged file that is not served, for the reason of ``warning``

    @property
    def is_served(self) -> bool:
        return self.release.version > 0


@dataclass(frozen=True)
class ServedCommit:
    """A commit of a repository's base branch that is served whole: every release of the mapping
    follows it or a later one."""

    mapping: str
    commit: str
    position: int  # grows along the first parents of the base branch


@dataclass(frozen=True)
class ReleaseSnapshot:
    """Everything that is served at one moment; never changed."""

    revision: int = 0
    releases: Mapping[ReleaseKey, PromptRelease] = field(default_factory=dict)
    answers: Mapping[AnswerKey, PromptAnswer] = field(default_factory=dict)
    commits: Mapping[str, tuple[ServedCommit, ...]] = field(default_factory=dict)  # by mapping
    ids_by_name: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (source, name)
    doubts: Mapping[ReleaseKey, str] = field(default_factory=dict)  # why nothing is served yet

    def find_release(self, source: str, identifier: str, label: str) -> PromptRelease | None:
        """The release of a prompt, by its name or its number; a name counts first, as in
        PromptLayer's API. None where nothing is served."""
        id = self.find_prompt_id(source, identifier)
        return None if id is None else self.releases.get(ReleaseKey(source, id, label))

    def find_prompt_id(self, source: str, identifier: str) -> int | None:
        """The number of a prompt, by its name or its number."""
        id = self.ids_by_name.get((source, identifier))
        if id is None and identifier.isascii() and identifier.isdigit() and len(identifier) < 19:
            id = int(identifier)
        return id

    def list_releases_of(self, source: str, identifier: str) -> tuple[PromptRelease, ...]:
        """The releases of a prompt at all labels, by its name or its number."""
        id = self.find_prompt_id(source, identifier)
        return () if id is None else self._releases_by_prompt.get((source, id), ())

    @cached_property
    def _releases_by_prompt(self) -> Mapping[tuple[str, int], tuple[PromptRelease, ...]]:
        found: dict[tuple[str, int], tuple[PromptRelease, ...]] = {}
        for key, release in sorted(self.releases.items()):
            place = (key.source, key.prompt_id)
            found[place] = (*found.get(place, ()), release)
        return found

    def find_answer(
        self, release: PromptRelease, provider: str = "", model: str = ""
    ) -> PromptAnswer | None:
        """PromptLayer's answer for the version that is served."""
        key = release.key
        return self.answers.get(
            AnswerKey(key.source, key.prompt_id, release.version, provider, model)
        )
