"""A front door with one workspace behind it."""

from __future__ import annotations

from datetime import timedelta

from bridge.promptlayer.workspace import PROMPTLAYER
from bridge.web.doors import Doors, OpenDoors, WorkspaceDoor


def one_workspace(*secrets: str, replay_window: timedelta | None = None) -> OpenDoors:
    doors = Doors({PROMPTLAYER: WorkspaceDoor(secrets, replay_window)})
    return lambda: doors
