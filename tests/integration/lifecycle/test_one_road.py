"""One saved edit, traced from the webhook's body to the pushed commit: the files it passes are those
that docs/architecture.md lists."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

import pytest

from bridge.engine.dispatch_events import build_reconcile_requests
from bridge.engine.reconcile_store import ReconcileStore
from bridge.forge.local_forge import LocalForge
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.webhook_events import parse_event
from bridge.promptlayer.webhook_signature import verify_delivery
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.planning.drift import compare_sides
from bridge.prompts.planning.plan import decide_plan
from bridge.reconcile.proposal_branch import write_commit
from bridge.reconcile.proposal_texts import build_commit_message
from bridge.repo.mirror import RepositoryMirror
from bridge.repo.push_branch import push_branch
from bridge.storage.inbox import DeliveryInbox
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve

ROOT = Path(__file__).parents[3]
_STAND_INS = "bridge/sandbox/"
LONGEST_ROAD = 30  # files


# What happens to the edit, and what is asked for it. Whoever is on the stack when it happens for
# the first time is on the road.
MILESTONES: frozenset[CodeType] = frozenset(
    function.__code__
    for function in (
        verify_delivery,
        parse_event,
        DeliveryInbox.put_async,
        build_reconcile_requests,
        ReconcileStore.request,
        LocalForge.list_pull_requests,
        RepositoryMirror.fetch,
        PromptLayerClient.find_prompt,
        compare_sides,
        render_prompt_file,
        decide_plan,
        build_commit_message,
        write_commit,
        push_branch,
    )
)


class FileTrace:
    """What the bridge runs while this records, on whatever thread."""

    def __init__(self) -> None:
        self.road: list[str] = []  # in the order of the calls
        self.run: set[str] = set()  # files of which any function was called, until the push
        self.milestones: set[CodeType] = set()  # those that were passed
        self._is_recording = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if not self._is_recording or event != "call" or push_branch.__code__ in self.milestones:
            return
        name = _bridge_file(frame.f_code.co_filename)
        if name is None or frame.f_code.co_name == "<module>":
            return
        self.run.add(name)
        if frame.f_code in MILESTONES - self.milestones:
            self.milestones.add(frame.f_code)
            self.road = list(dict.fromkeys([*self.road, *_callers(frame)]))

    @contextmanager
    def recording(self) -> Iterator[None]:
        self._is_recording = True
        sys.setprofile(self)
        try:
            yield
        finally:
            self._is_recording = False
            sys.setprofile(None)


def _callers(frame: FrameType | None) -> list[str]:
    """The bridge's files on the stack, the outermost call first."""
    files = []
    while frame is not None:
        if (name := _bridge_file(frame.f_code.co_filename)) is not None:
            files.append(name)
        frame = frame.f_back
    return files[::-1]


@cache
def _bridge_file(path: str) -> str | None:
    if not Path(path).is_relative_to(ROOT / "bridge"):
        return None
    name = Path(path).relative_to(ROOT).as_posix()
    return None if name.startswith(_STAND_INS) else name


@pytest.fixture
def trace() -> Iterator[FileTrace]:
    """Watches every thread that is started from here on."""
    trace = FileTrace()
    threading.setprofile(trace)
    try:
        yield trace
    finally:
        threading.setprofile(None)


@pytest.fixture
def served(trace: FileTrace) -> Iterator[tuple[SwitchableApp, str]]:
    """A server of its own, whose threads are watched."""
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def traced_edit(trace: FileTrace, environment: BridgeEnvironment) -> FileTrace:
    """A prompt that is in the repository already is edited; its webhook is delivered and worked
    off."""
    environment.save("Answer.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.settle()
    environment.save("Answer in verse.")
    with trace.recording():
        environment.deliver()
        environment.settle_looks()
    assert environment.proposed() == "Answer in verse."
    return trace


def test_the_page_lists_the_files_on_the_road_of_one_edit_in_their_order(
    traced_edit: FileTrace,
) -> None:
    assert traced_edit.milestones == MILESTONES
    assert re.findall(r"\]\(\.\./(bridge/[\w/]+\.py)\)", road_section()) == traced_edit.road


def test_the_road_of_one_edit_is_at_most_thirty_files(traced_edit: FileTrace) -> None:
    assert len(traced_edit.road) <= LONGEST_ROAD


def test_no_more_files_run_for_one_edit_than_the_page_says(traced_edit: FileTrace) -> None:
    found = re.search(r"in no more than (\d+) files", road_section())

    assert found is not None
    assert len(traced_edit.road) < len(traced_edit.run) <= int(found[1])


def road_section() -> str:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    return page.partition("\n## The road of one edit\n")[2].partition("\n## ")[0]
