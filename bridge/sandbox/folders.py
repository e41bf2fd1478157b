"""The folders of the stand-in's registry."""

from __future__ import annotations

import itertools
from datetime import datetime

from bridge.errors import AlreadyExists, NotFound
from bridge.sandbox.entries import Folder


class Folders:
    """A tree of folders. Not locked: the registry is."""

    def __init__(self) -> None:
        self.all: dict[int, Folder] = {}
        self._ids = itertools.count(1)

    def create(self, name: str, parent_id: int | None, created_at: datetime) -> Folder:
        self.check(parent_id)
        if self.child(name, parent_id) is not None:
            raise AlreadyExists(f"A folder named {name} exists already.")
        folder = Folder(next(self._ids), name, parent_id, created_at)
        self.all[folder.id] = folder
        return folder

    def check(self, folder_id: int | None) -> None:
        """Raises NotFound unless it is the root (None) or a folder."""
        if folder_id is not None and folder_id not in self.all:
            raise NotFound(f"Folder {folder_id} not found.")

    def child(self, name: str, parent_id: int | None) -> Folder | None:
        siblings = (folder for folder in self.all.values() if folder.parent_id == parent_id)
        return next((folder for folder in siblings if folder.name == name), None)

    def path(self, folder_id: int | None) -> list[str]:
        """The names from the root down to this folder."""
        names: list[str] = []
        while folder_id is not None:
            folder = self.all[folder_id]
            names.insert(0, folder.name)
            folder_id = folder.parent_id
        return names

    def resolve(self, path: str) -> Folder:
        """By names with dots between, as PromptLayer writes a folder's path."""
        folder: Folder | None = None
        for name in path.split("."):
            folder = self.child(name, folder.id if folder else None)
            if folder is None:
                raise NotFound(f"Folder path {path} not found.")
        assert folder is not None  # a path has at least one name
        return folder

    def within(self, folder_id: int | None, ancestor_id: int | None) -> bool:
        """Whether a place lies in a folder or somewhere below it."""
        while folder_id is not None and folder_id != ancestor_id:
            folder_id = self.all[folder_id].parent_id
        return folder_id == ancestor_id
