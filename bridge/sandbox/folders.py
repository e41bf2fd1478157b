"""The folders of the stand-in's registry."""

from __future__ import annotations

import itertools
from datetime import datetime

from bridge.errors import AlreadyExistsError, NotFoundError
from bridge.sandbox.registry_entries import RegistryFolder


class FolderTree:
    """A tree of folders. The registry's lock protects it."""

    def __init__(self) -> None:
        self.all: dict[int, RegistryFolder] = {}
        self._ids = itertools.count(1)

    def create(self, name: str, parent_id: int | None, created_at: datetime) -> RegistryFolder:
        self.require_folder(parent_id)
        if self.find_child(name, parent_id) is not None:
            raise AlreadyExistsError(f"A folder named {name} exists already.")
        folder = RegistryFolder(next(self._ids), name, parent_id, created_at)
        self.all[folder.id] = folder
        return folder

    def require_folder(self, folder_id: int | None) -> None:
        """Raises NotFoundError unless it is the root (None) or a folder."""
        if folder_id is not None and folder_id not in self.all:
            raise NotFoundError(f"Folder {folder_id} not found.")

    def find_child(self, name: str, parent_id: int | None) -> RegistryFolder | None:
        siblings = (folder for folder in self.all.values() if folder.parent_id == parent_id)
        return next((folder for folder in siblings if folder.name == name), None)

    def build_path(self, folder_id: int | None) -> list[str]:
        """The names from the root down to this folder."""
        names: list[str] = []
        while folder_id is not None:
            folder = self.all[folder_id]
            names.insert(0, folder.name)
            folder_id = folder.parent_id
        return names

    def resolve(self, path: str) -> RegistryFolder:
        """By names with dots between, as PromptLayer writes a folder's path."""
        folder: RegistryFolder | None = None
        for name in path.split("."):
            folder = self.find_child(name, folder.id if folder else None)
            if folder is None:
                raise NotFoundError(f"Folder path {path} not found.")
        assert folder is not None  # a path has at least one name
        return folder

    def is_within(self, folder_id: int | None, ancestor_id: int | None) -> bool:
        """Whether a folder is another one, or below it."""
        while folder_id is not None and folder_id != ancestor_id:
            folder_id = self.all[folder_id].parent_id
        return folder_id == ancestor_id
