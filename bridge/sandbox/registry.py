"""A PromptLayer workspace in memory: prompts, versions, labels, snippets, folders.

Every change is announced to subscribers as PromptLayer's webhooks do. Safe for threads; a change
that is not possible raises an error of ``bridge.errors``.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from bridge.errors import AlreadyExistsError, ForbiddenError, NotFoundError, RequestRefusedError
from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import Json, JsonObject
from bridge.prompts.snippets import SnippetReference, find_snippet_references
from bridge.sandbox.event_announcer import EventAnnouncer, EventClock, EventListener
from bridge.sandbox.folders import FolderTree
from bridge.sandbox.registry_entries import (
    DEFAULT_EDITOR,
    ChangeType,
    LabelRequest,
    RegistryEntry,
    RegistryFolder,
    RegistryLabel,
    RegistryVersion,
)
from bridge.sandbox.validation import check_commit_message, check_name, check_template

ExternalId = tuple[str, str]  # (source, external id)


def get_current_time() -> datetime:
    return datetime.now(UTC)


class PromptRegistry:
    """One workspace. Listeners are called with each event's payload under the registry's lock, in
    order, so they have to return quickly."""

    def __init__(self, *, workspace_id: int = 1, clock: EventClock = get_current_time) -> None:
        self.workspace_id = workspace_id
        self.lock = threading.RLock()
        self.protected: set[str] = set()  # labels that only an approval moves or deletes
        self.entries: dict[int, RegistryEntry] = {}
        self.folders = FolderTree()
        self._clock = clock
        self._announcer = EventAnnouncer(workspace_id, clock)
        self._ids: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
        self._by_name: dict[str, int] = {}  # active prompts only
        self._referring: defaultdict[str, set[int]] = defaultdict(set)  # snippet name → prompt ids

    def subscribe(self, listener: EventListener) -> None:
        self._announcer.listeners.append(listener)

    # Queries

    def find_entry(self, identifier: int | str) -> RegistryEntry:
        """An active prompt by id (also as text) or else by name."""
        with self.lock:
            entry = self.entries.get(self._by_name.get(str(identifier), 0))
            if isinstance(identifier, int) or (identifier.isdecimal() and len(identifier) < 10):
                entry = self.entries.get(int(identifier), entry)
            if entry is None or entry.deleted:
                raise NotFoundError(f"Prompt template {identifier} not found.")
            return entry

    def find_version(
        self, entry: RegistryEntry, *, number: int | None = None, label: str | None = None
    ) -> RegistryVersion:
        """The newest version, or the one with that number or label."""
        if label is not None:
            if label not in entry.labels:
                raise NotFoundError(f"Release label {label} not found on {entry.name}.")
            number = entry.labels[label].version
        if number is None:
            return entry.latest
        if not 1 <= number <= len(entry.versions):
            raise NotFoundError(f"Version {number} of {entry.name} not found.")
        return entry.versions[number - 1]

    def is_snippet(self, entry: RegistryEntry) -> bool:
        return entry.latest.template["type"] == "completion" and bool(self._referring[entry.name])

    def find_referring_entries(self, name: str) -> list[RegistryEntry]:
        """The active prompts with a reference to the snippet in any version."""
        entries = (self.entries[id] for id in sorted(self._referring[name]))
        return [entry for entry in entries if not entry.deleted]

    def find_referred_version(self, reference: SnippetReference) -> RegistryVersion:
        """The version of a snippet that a reference points to."""
        entry = self.find_entry_by_name(reference.name)
        return self.find_version(entry, number=reference.version, label=reference.label)

    def find_entry_by_name(self, name: str) -> RegistryEntry:
        if name not in self._by_name:
            raise NotFoundError(f"Prompt template {name} not found.")
        return self.entries[self._by_name[name]]

    # Changing prompts

    def save_version(
        self,
        name: str,
        template: JsonObject,
        *,
        metadata: JsonObject | None = None,
        commit_message: str | None = None,
        tags: Sequence[str] | None = None,
        folder_id: int | None = None,
        labels: Iterable[str] = (),
        external_ids: Iterable[ExternalId] = (),
        extra: JsonObject | None = None,
        actor: EventUser = DEFAULT_EDITOR,
    ) -> RegistryVersion:
        """Save the next version of the prompt of this name, or a new prompt. Labels are created or
        moved to it. Identical content makes a new version too, as in PromptLayer."""
        with self.lock:
            labels, external_ids = list(labels), list(external_ids)
            self._check(name, template, commit_message, folder_id, labels)
            self._check_external_ids(name, external_ids)
            entry = self._entry_to_save(name, actor)
            if tags is not None:
                entry.tags = tuple(tags)
            if folder_id is not None:
                entry.folder_id = folder_id
            version = self._add_version(entry, template, metadata, commit_message, extra, actor)
            entry.external_ids += [pair for pair in external_ids if pair not in entry.external_ids]
            for label in labels:
                self.move_label(entry.id, label, version.number, actor=actor)
            return version

    def rename(self, id: int, name: str, *, actor: EventUser = DEFAULT_EDITOR) -> None:
        with self.lock:
            entry, old = self.find_entry(id), self.find_entry(id).name
            check_name(name)
            if self._by_name.get(name, id) != id:
                raise AlreadyExistsError(f"A prompt template named {name} exists already.")
            del self._by_name[old]
            self._by_name[name] = id
            entry.name = name
            self._touch(entry)
            self._announcer.announce(entry, "name_changed", actor, old_prompt_template_name=old)

    def delete(self, id: int, *, actor: EventUser = DEFAULT_EDITOR) -> None:
        with self.lock:
            entry = self.find_entry(id)
            entry.deleted = True
            del self._by_name[entry.name]
            self._touch(entry)
            self._announcer.announce(entry, "deleted", actor)

    # Labels

    def move_label(
        self, id: int, label: str, version: int, *, actor: EventUser = DEFAULT_EDITOR
    ) -> RegistryLabel:
        """Create a release label or move it; a protected one that exists is refused."""
        with self.lock:
            self._check_free(self.find_entry(id), label)
            return self._place_label(self.find_entry(id), label, version, actor)

    def delete_label(self, id: int, label: str, *, actor: EventUser = DEFAULT_EDITOR) -> None:
        with self.lock:
            self._check_free(self.find_entry(id), label)
            self._remove_label(self.find_entry(id), label, actor)

    def find_label(self, label_id: int) -> RegistryLabel:
        with self.lock:
            for entry in self.entries.values():
                for label in entry.labels.values():
                    if label.id == label_id and not entry.deleted:
                        return label
            raise NotFoundError(f"Release label {label_id} not found.")

    def protect_label(self, label: str) -> None:
        """Let the label be moved by request and approval only."""
        self.protected.add(label)

    def request_label(
        self,
        id: int,
        label: str,
        change_type: ChangeType = "move",
        *,
        version: int | None = None,
        actor: EventUser = DEFAULT_EDITOR,
    ) -> None:
        """Request to move a protected label to the version found, or to delete it."""
        with self.lock:
            entry = self.find_entry(id)
            if change_type == "move":
                version = self.find_version(entry, number=version).number
            entry.requests[label] = LabelRequest(label, change_type, version, actor)
            self._announcer.announce_label_request(entry, entry.requests[label], "requested", actor)

    def approve_label(
        self, id: int, label: str, *, actor: EventUser = DEFAULT_EDITOR, also_moved: bool = True
    ) -> None:
        """Approve the pending request. Whether PromptLayer announces the move as well is not
        documented: ``also_moved`` chooses."""
        with self.lock:
            entry = self.find_entry(id)
            request = self._take_request(entry, label)
            with self._announcer.mute(not also_moved):
                self._carry_out(entry, request, actor)
            self._announcer.announce_label_request(entry, request, "approved", actor)

    def deny_label(self, id: int, label: str, *, actor: EventUser = DEFAULT_EDITOR) -> None:
        with self.lock:
            entry = self.find_entry(id)
            self._announcer.announce_label_request(
                entry, self._take_request(entry, label), "denied", actor
            )

    # Folders and external ids

    def create_folder(self, name: str, parent_id: int | None = None) -> RegistryFolder:
        with self.lock:
            return self.folders.create(name, parent_id, self._clock())

    def move_to_folder(self, id: int, folder_id: int | None) -> None:
        """Move a prompt. PromptLayer sends no event for this."""
        with self.lock:
            entry = self.find_entry(id)
            self.folders.require_folder(folder_id)
            entry.folder_id = folder_id
            self._touch(entry)

    def find_entry_by_external_id(self, pair: ExternalId) -> RegistryEntry | None:
        with self.lock:
            owners = (entry for entry in self.entries.values() if pair in entry.external_ids)
            return next((entry for entry in owners if not entry.deleted), None)

    def attach_external_id(self, id: int, pair: ExternalId) -> None:
        with self.lock:
            entry = self.find_entry(id)
            self._check_external_ids(entry.name, [pair])
            if pair not in entry.external_ids:
                entry.external_ids.append(pair)
                self._touch(entry)

    def detach_external_id(self, id: int, pair: ExternalId) -> None:
        with self.lock:
            entry = self.find_entry(id)
            if pair not in entry.external_ids:
                raise NotFoundError("External ID not found.")
            entry.external_ids.remove(pair)
            self._touch(entry)

    def _check(
        self,
        name: str,
        template: Json,
        commit_message: str | None,
        folder_id: int | None,
        labels: Iterable[str],
    ) -> None:
        check_name(name)
        check_template(template)
        check_commit_message(commit_message)
        self.folders.require_folder(folder_id)
        for reference in find_snippet_references(template):
            if reference.name not in self._by_name:
                raise RequestRefusedError(f"Snippet {reference.name} does not exist")
        if name in self._by_name:
            for label in labels:
                self._check_free(self.find_entry_by_name(name), label)

    def _check_external_ids(self, name: str, pairs: Iterable[ExternalId]) -> None:
        for pair in pairs:
            owner = self.find_entry_by_external_id(pair)
            if owner is not None and owner.name != name:
                raise AlreadyExistsError("External ID is already mapped to another entity.")

    def _check_free(self, entry: RegistryEntry, label: str) -> None:
        if label in self.protected and label in entry.labels:
            raise ForbiddenError(f"Release label {label} is protected: request the change.")

    def _entry_to_save(self, name: str, actor: EventUser) -> RegistryEntry:
        if name not in self._by_name:
            created = self._clock()
            entry = RegistryEntry(next(self._ids["prompt"]), name, created, created, actor)
            self.entries[entry.id] = entry
            self._by_name[name] = entry.id
        return self.find_entry_by_name(name)

    def _add_version(
        self,
        entry: RegistryEntry,
        template: JsonObject,
        metadata: JsonObject | None,
        commit_message: str | None,
        extra: JsonObject | None,
        actor: EventUser,
    ) -> RegistryVersion:
        version = RegistryVersion(
            id=next(self._ids["version"]),
            prompt_id=entry.id,
            number=len(entry.versions) + 1,
            template=template,
            metadata=metadata,
            commit_message=commit_message,
            extra=extra or {},
            created_at=self._clock(),
            author=actor,
            references=find_snippet_references(template),
        )
        entry.versions.append(version)
        self._touch(entry)
        for reference in version.references:
            self._referring[reference.name].add(entry.id)
            self.find_entry_by_name(
                reference.name
            ).list_item_by_version.clear()  # it is a snippet now
        self._announcer.announce_version(entry, "version_created", actor)
        self._announce_parents(entry, SnippetReference(entry.name), actor)
        return version

    def _touch(self, entry: RegistryEntry) -> None:
        entry.updated_at = self._clock()
        entry.list_item_by_version.clear()

    def _place_label(
        self, entry: RegistryEntry, name: str, number: int, actor: EventUser
    ) -> RegistryLabel:
        check_name(name, "name")
        number = self.find_version(entry, number=number).number
        label = entry.labels.get(name)
        if label is None:
            label = RegistryLabel(next(self._ids["label"]), name, entry.id, number, self._clock())
            entry.labels[name] = label
            self._announcer.announce_label(entry, label, "label_created", actor)
        elif label.version == number:
            return label
        else:
            old, label.version = label.version, number
            self._announcer.announce_label(entry, label, "label_moved", actor, old_version=old)
        self._announce_parents(entry, SnippetReference(entry.name, label=name), actor)
        return label

    def _remove_label(self, entry: RegistryEntry, name: str, actor: EventUser) -> None:
        if name not in entry.labels:
            raise NotFoundError(f"Release label {name} not found on {entry.name}.")
        self._announcer.announce_label(entry, entry.labels.pop(name), "label_deleted", actor)

    def _take_request(self, entry: RegistryEntry, label: str) -> LabelRequest:
        if label not in entry.requests:
            raise NotFoundError(f"Nobody requested a change of {label} on {entry.name}.")
        return entry.requests.pop(label)

    def _carry_out(self, entry: RegistryEntry, request: LabelRequest, actor: EventUser) -> None:
        if request.change_type == "deletion":
            self._remove_label(entry, request.label, actor)
        elif request.version is not None:
            self._place_label(entry, request.label, request.version, actor)

    def _announce_parents(
        self, entry: RegistryEntry, changed: SnippetReference, actor: EventUser
    ) -> None:
        """Announce an updated snippet to the prompts whose newest version imports it."""
        for parent in self.find_referring_entries(entry.name):
            if changed in parent.latest.references:
                self._announcer.announce_version(parent, "updated", actor)
