"""Noticing that files hold something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.config.file_watch import FileWatcher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    return tmp_path


def watch(folder: Path) -> FileWatcher:
    return FileWatcher(lambda: sorted(map(str, folder.iterdir())))


def test_files_that_rest_have_not_changed(folder: Path) -> None:
    watching = watch(folder)

    assert [watching.has_changed() for _ in range(3)] == [False] * 3


def test_a_change_is_told_once_and_only_when_it_is_over(folder: Path) -> None:
    watching = watch(folder)
    told = []
    for text in ("one", "more", "more and more"):
        (folder / "a").write_text(text)
        told.append(watching.has_changed())

    assert told == [False] * 3
    assert [watching.has_changed() for _ in range(3)] == [True, False, False]


def test_a_change_that_is_taken_back_is_none(folder: Path) -> None:
    watching = watch(folder)
    (folder / "a").write_text("other")
    told = [watching.has_changed()]
    (folder / "a").write_text("a")

    assert told + [watching.has_changed() for _ in range(3)] == [False] * 4


def test_a_file_that_was_only_touched_has_not_changed(folder: Path) -> None:
    watching = watch(folder)
    os.utime(folder / "a", (1, 1))

    assert [watching.has_changed() for _ in range(3)] == [False] * 3


def test_files_that_come_go_or_change_their_names_are_a_change(folder: Path) -> None:
    watching = watch(folder)

    (folder / "c").write_text("c")
    assert [watching.has_changed() for _ in range(2)] == [False, True]
    (folder / "c").rename(folder / "d")
    assert [watching.has_changed() for _ in range(2)] == [False, True]
    (folder / "d").unlink()
    assert [watching.has_changed() for _ in range(2)] == [False, True]


def test_a_folder_of_links_that_is_swapped_as_a_whole_is_a_change(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bridge.yaml").write_text(name)
    (tmp_path / "now").symlink_to("old")
    watching = FileWatcher(lambda: [str(tmp_path / "now/bridge.yaml")])

    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(tmp_path / "now")

    assert [watching.has_changed() for _ in range(3)] == [False, True, False]


def test_a_file_that_is_gone_for_a_moment_is_waited_for(folder: Path) -> None:
    watching = FileWatcher(lambda: [str(folder / "a")])
    (folder / "a").unlink()
    told = [watching.has_changed()]
    (folder / "a").write_text("a")

    assert told + [watching.has_changed() for _ in range(2)] == [False] * 3


def test_what_was_noted_is_no_change_any_more(folder: Path) -> None:
    watching = watch(folder)
    (folder / "a").write_text("other")
    watching.mark_current()

    assert [watching.has_changed() for _ in range(2)] == [False] * 2


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    watching = FileWatcher(lambda: ["/dev/zero", str(tmp_path / "pipe")])

    assert [watching.has_changed() for _ in range(2)] == [False] * 2
