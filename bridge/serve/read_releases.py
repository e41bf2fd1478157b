"""Which release an application means, and whether it may read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from bridge.errors import ForbiddenError, InvalidInputError, NotFoundError
from bridge.serve.application_tokens import ServedApplication
from bridge.serve.release import PromptAnswer, PromptRelease, ReleaseSnapshot
from bridge.serve.release_index import ReleaseIndex
from bridge.storage.inbox import Clock

_NOT_SERVED = (
    "No prompt of this name or number is served to this application at {place}. What is served"
    " stands in bridge.yaml: prompts and labels of the application, and serve of a mapping."
)


@dataclass(frozen=True)
class ReleaseView:
    """One moment of what is served, as one application sees it."""

    application: ServedApplication
    snapshot: ReleaseSnapshot
    now: datetime
    stale: timedelta  # a release that is unconfirmed for longer has ended

    def compute_age(self, release: PromptRelease) -> int:
        """Whole seconds since the release was confirmed."""
        return max(0, int((self.now - release.confirmed_at).total_seconds()))

    def find_release(
        self, identifier: str, label: str | None = None, version: int | None = None
    ) -> PromptRelease:
        """The release of a prompt, by name or number, at a label, or the one of a version. A name
        may still be percent-encoded. For a version that is not served, and an application that may
        read every version, the release has no label, commit and path. Raises InvalidInputError for
        a label with a version; NotFoundError alike for what is not there and what the application
        may not read; ForbiddenError for another version of a prompt that it reads."""
        if label is not None and version is not None:
            raise InvalidInputError("Ask for a version or for a label, not for both.")
        wanted = self.application.default_label if label is None else label
        for spelled in dict.fromkeys((identifier, unquote(identifier))):
            if version is not None:
                found = self._find_version(spelled, version)
            else:
                found = self._find_at_label(spelled, wanted)
            if found is not None:
                return found
        place = f"version {version}" if version is not None else f"the label {wanted[:100]!r}"
        raise NotFoundError(_NOT_SERVED.format(place=place))

    def find_answer(
        self, release: PromptRelease, provider: str = "", model: str = ""
    ) -> PromptAnswer | None:
        return self.snapshot.find_answer(release, provider, model)

    def list_releases(self, label: str) -> list[PromptRelease]:
        """Every release that the application may read at a label, by name. Raises NotFoundError
        for a label that it may not read."""
        if not self.application.may_read_label(label):
            raise NotFoundError(_NOT_SERVED.format(place=f"the label {label[:100]!r}"))
        releases = self.snapshot.releases.values()
        found = [each for each in releases if each.key.label == label and self._may_read(each)]
        return sorted(found, key=lambda release: (release.name, release.key))

    def _find_at_label(self, identifier: str, label: str) -> PromptRelease | None:
        found = self.snapshot.find_release(self.application.source, identifier, label)
        return found if found is not None and self._may_read(found) else None

    def _find_version(self, identifier: str, version: int) -> PromptRelease | None:
        found = self.snapshot.list_releases_of(self.application.source, identifier)
        releases = [release for release in found if self._may_read(release)]
        for release in releases:
            if release.version == version:
                return release
        if not releases:
            return None
        if not self.application.may_read_every_version:
            raise ForbiddenError(
                f"Version {version} is not what is served. Only an application with"
                ' labels: ["*"] reads other versions.'
            )
        key = replace(releases[0].key, label="")
        return replace(releases[0], key=key, version=version, commit="", path="", warning=None)

    def _may_read(self, release: PromptRelease) -> bool:
        return (
            release.key.source == self.application.source
            and self.application.may_read_label(release.key.label)
            and self.application.may_read_prompt(release.name)
            and self.now - release.confirmed_at <= self.stale
        )


@dataclass(frozen=True)
class ReleaseReader:
    """Opens views of what is served now. ``find_stale`` says for how long a release may be
    unconfirmed."""

    index: ReleaseIndex
    clock: Clock
    find_stale: Callable[[], timedelta]

    def open_view(self, application: ServedApplication) -> ReleaseView:
        return ReleaseView(application, self.index.snapshot, self.clock(), self.find_stale())
