"""Releases on their way into the store: a new version with its answers, a doubt, an end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.errors import PermanentError, RequestRefusedError
from bridge.prompts.snippets import SnippetReference
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.serve.check_snippets import find_unmerged_snippet, list_merged_versions
from bridge.serve.fetch_answers import read_snippets, request_answer
from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseRecord,
)
from bridge.serve.release_replica import ReleaseReplica

_SAVED_TOGETHER = 100  # releases
_CONFIRMED_EVERY = timedelta(minutes=1)  # how often it is stored that nothing changed


@dataclass(frozen=True)
class ReleaseContent:
    """What is to be served for a target."""

    target: Target
    name: str
    version: int
    commit: str
    path: str
    digest: str = ""
    blob: str = ""
    references: Collection[SnippetReference] = ()  # of the merged file
    checks_snippets: bool = True


@dataclass
class ReleaseBatch:
    """The changes of one confirmation. ``seen`` is the revision that was read before the base
    branch was; ``refused`` are the targets that another process stored since."""

    context: MappingContext
    replica: ReleaseReplica
    now: datetime
    seen: int
    refused: set[Target] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.records = dict(self.replica.records)
        self._changed: dict[ReleaseKey, ReleaseRecord] = {}
        self._answers: list[PromptAnswer] = []
        self._variants: dict[tuple[str, int, int], list[AnswerKey]] = {}
        for key in self.replica.index.snapshot.answers:
            if key.provider or key.model:
                version = key.source, key.prompt_id, key.version
                self._variants.setdefault(version, []).append(key)

    def find_key(self, target: Target) -> ReleaseKey:
        return ReleaseKey(self.context.mapping.source, target.prompt_id, target.label)

    def find_record(self, target: Target) -> ReleaseRecord | None:
        """The record of a target, where it is this mapping's."""
        record = self.records.get(self.find_key(target))
        return record if record and record.release.mapping == self.context.mapping.name else None

    def list_own_targets(self) -> list[Target]:
        """The targets of all records of the mapping."""
        name, source = self.context.mapping.name, self.context.mapping.source
        return [
            Target(name, key.prompt_id, key.label)
            for key, record in self.records.items()
            if record.release.mapping == name and key.source == source
        ]

    def confirm_release(self, record: ReleaseRecord, path: str) -> None:
        """Note that a release is still what is to be served."""
        release = record.release
        after = replace(record, release=replace(release, path=path, warning=None), doubtful_blob="")
        is_old = self.now - release.confirmed_at >= _CONFIRMED_EVERY
        if after != record or is_old:
            self._put(replace(after, release=replace(after.release, confirmed_at=self.now)))

    def release(self, content: ReleaseContent, answers: Sequence[PromptAnswer]) -> None:
        """Serve a version from now on. ``answers`` begin with the one for nobody's provider and
        model. Raises RequestRefusedError where a snippet in it is not merged."""
        reason = self.find_unmerged_snippet(answers[0], content)
        if reason is not None:
            raise RequestRefusedError(reason)
        key, before = self.find_key(content.target), self.find_record(content.target)
        same = before is not None and before.release.version == content.version
        release = PromptRelease(
            key,
            content.name,
            content.version,
            self.context.mapping.name,
            content.commit,
            content.path,
            before.release.released_at if same and before else self.now,
            self.now,
        )
        self._put(ReleaseRecord(release, content.digest, content.blob))
        self._answers += answers
        if len(self._changed) >= _SAVED_TOGETHER:
            self.save()

    def warn(
        self, target: Target, name: str, path: str, reason: str, blob: str = "", *, lasts: bool
    ) -> None:
        """Go on with what was served, and say why it is not what is merged. A doubt about a file
        (``blob``) is not looked into again before it is asked for; one that does not last, as
        somebody did not answer, does not count as a confirmation."""
        key, mapping = self.find_key(target), self.context.mapping.name
        before = self.records.get(key)  # a mapping that served it until now may be gone
        if before is None:
            release = PromptRelease(key, name, 0, mapping, "", path, self.now, self.now)
            before = ReleaseRecord(release)
        release = replace(before.release, mapping=mapping, warning=reason)
        after = replace(before, release=release, doubtful_blob=blob)
        is_old = lasts and self.now - release.confirmed_at >= _CONFIRMED_EVERY
        if after != before or is_old:
            at = self.now if lasts else release.confirmed_at
            self._put(replace(after, release=replace(release, confirmed_at=at)))

    def end(self, target: Target, blob: str = "") -> None:
        """Serve nothing for a target any more. Its file (``blob``), where it still has one, is left
        out until a complete confirmation takes it in."""
        record = self.find_record(target)
        if record is not None and (record.is_served or record.release.warning):
            release = replace(record.release, version=0, warning=None, confirmed_at=self.now)
            self._put(ReleaseRecord(release, doubtful_blob=blob))

    def save(self) -> None:
        """Store the changes, and announce them then."""
        if not self._changed:
            return
        changed, answers = list(self._changed.values()), self._answers
        refused = self.replica.store.save(changed, answers, self.seen)
        self._changed, self._answers = {}, []
        name = self.context.mapping.name
        self.refused |= {Target(name, key.prompt_id, key.label) for key in refused}
        self.replica.refresh()
        for answer in answers:
            self.replica.keep_provider_key(answer.key, answer.provider_key)

    def _put(self, record: ReleaseRecord) -> None:
        self._changed[record.release.key] = self.records[record.release.key] = record

    def fetch_answers(self, content: ReleaseContent) -> list[PromptAnswer]:
        """The answer for a version, and those with a provider or model that applications asked for
        of the version before. Raises what PromptLayer's client raises. Safe for threads."""
        source, prompt_id = self.context.mapping.source, content.target.prompt_id
        main = AnswerKey(source, prompt_id, content.version)
        answer = request_answer(self.context.promptlayer, main)
        found, before = [answer], self.find_record(content.target)
        past = before.release.version if before else 0
        for key in self._variants.get((source, prompt_id, past), ()):
            found += self._fetch_variant(replace(key, version=content.version), answer)
        return found

    def _fetch_variant(self, key: AnswerKey, main: PromptAnswer) -> list[PromptAnswer]:
        try:
            variant = request_answer(self.context.promptlayer, key)
        except PermanentError:  # this version does not go with that model; the application is told
            return []
        return [variant] if read_snippets(variant) == read_snippets(main) else []

    def find_unmerged_snippet(self, answer: PromptAnswer, content: ReleaseContent) -> str | None:
        """Why an answer may hold something that is not merged; None where it does not."""
        if not content.checks_snippets:
            return None
        source = self.context.mapping.source
        merged = list_merged_versions(
            record for key, record in self.records.items() if key.source == source
        )
        return find_unmerged_snippet(read_snippets(answer), content.references, merged)
