"""The mirror: made, moved along, shared, and healed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.errors import NotFoundError, UnavailableError
from bridge.forge.forge import GitRemote
from bridge.repo.mirror import RepositoryMirror
from tests.integration.repo.conftest import FILES, PREFIX, Repository
from tests.integration.repo.sample_commits import draft, eventually
from tests.standins.git_http import commit_files, create_repository, delete_branch, find_commit, git


def test_a_look_sees_the_base_and_the_branches_under_the_prefix(repository: Repository) -> None:
    ours = commit_files(repository.path, f"{PREFIX}reply", {"prompts/reply.yaml": b"new\n"})
    commit_files(repository.path, "promptlayer/sales/offer", {"prompts/offer.yaml": b"new\n"})

    snapshot = repository.look()

    assert snapshot.commit == find_commit(repository.path, "main")
    assert snapshot.branches == {f"{PREFIX}reply": ours}


def test_a_base_that_moved_is_followed(repository: Repository) -> None:
    before = repository.look()
    moved = commit_files(repository.path, "main", {"prompts/reply.yaml": b"name: answer\n"})

    after = repository.look()

    assert (before.commit, after.commit) == (git(repository.path, "rev-parse", "main^"), moved)
    assert after.read_file(after.commit, "prompts/reply.yaml") == b"name: answer\n"
    assert before.read_file(before.commit, "prompts/reply.yaml") == b"name: reply\n"


def test_a_base_that_was_pushed_by_force_is_followed(repository: Repository) -> None:
    repository.look()
    commit_files(repository.path, "other", {"prompts/reply.yaml": b"another past\n"})
    forced = commit_files(repository.path, "other", {"src/main.py": None})
    git(repository.path, "update-ref", "refs/heads/main", forced)

    snapshot = repository.look()

    assert snapshot.commit == forced
    assert snapshot.read_file(forced, "prompts/reply.yaml") == b"another past\n"
    assert snapshot.read_commit(forced).parents == (git(repository.path, "rev-parse", "main^"),)


def test_a_deleted_branch_is_forgotten_and_may_become_a_folder(repository: Repository) -> None:
    commit_files(repository.path, f"{PREFIX}reply", {"a": b"a"})
    repository.look()
    delete_branch(repository.path, f"{PREFIX}reply")
    below = commit_files(repository.path, f"{PREFIX}reply/latest", {"b": b"b"})

    assert repository.look().branches == {f"{PREFIX}reply/latest": below}
    assert "reply/latest" in git(repository.mirror_path, "for-each-ref")
    assert git(repository.mirror_path, "for-each-ref").count(PREFIX) == 1


def test_another_prefix_leaves_our_branches_alone(repository: Repository) -> None:
    commit_files(repository.path, f"{PREFIX}reply", {"a": b"a"})
    repository.look()

    assert repository.mirror.fetch(repository.remote, "main", "promptlayer/sales/").branches == {}
    assert PREFIX in git(repository.mirror_path, "for-each-ref")


def test_a_missing_base_names_the_branch_and_the_repository(repository: Repository) -> None:
    with pytest.raises(NotFoundError, match=r"acme/support\.git has no branch trunk"):
        repository.mirror.fetch(repository.remote, "trunk", PREFIX)


def test_an_empty_repository_is_said_to_be_empty(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(NotFoundError, match=r"empty\.git is empty"):
        RepositoryMirror(tmp_path / "mirror").fetch(
            GitRemote((tmp_path / "empty.git").as_uri()), "main", PREFIX
        )


def test_a_repository_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.git is not there"):
        RepositoryMirror(tmp_path / "mirror").fetch(
            GitRemote((tmp_path / "nowhere.git").as_uri()), "main", PREFIX
        )


def test_nothing_is_fetched_when_nothing_moved(served: Repository) -> None:
    served.look()
    fetched = served.fetches()
    served.look()
    assert (fetched, served.fetches()) == (1, 1)


def test_what_we_pushed_ourselves_is_not_fetched_back(served: Repository) -> None:
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"prompts/reply.yaml": b"new\n"}))
    snapshot.push_branch(served.remote, f"{PREFIX}reply", commit, None)
    fetched = served.fetches()

    assert served.look().branches == {f"{PREFIX}reply": commit}
    assert served.fetches() == fetched


def test_looks_that_waited_for_each_other_share_one_answer(served: Repository) -> None:
    callers = 24
    with ThreadPoolExecutor(callers) as threads:
        snapshots = list(threads.map(lambda _: served.look(), range(callers)))

    looks = sum(b"command=ls-refs" in request.body for request in served.faults.requests)
    assert {snapshot.commit for snapshot in snapshots} == {find_commit(served.path, "main")}
    assert served.fetches() == 1
    assert looks < callers / 2


def test_threads_may_look_and_read_at_the_same_time(repository: Repository) -> None:
    def reply(number: int) -> bytes | None:
        branch = f"{PREFIX}{number}"
        commit = commit_files(repository.path, branch, {"prompts/reply.yaml": b"%d" % number})
        snapshot = repository.look()
        return snapshot.read_file(commit, "prompts/reply.yaml")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(reply, range(16))) == [b"%d" % number for number in range(16)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda mirror: shutil.rmtree(mirror / "objects"),
        lambda mirror: shutil.rmtree(mirror),
        lambda mirror: (mirror / "HEAD").write_bytes(b"\0\0\0"),
        lambda mirror: (mirror / "config").write_bytes(b"[core"),
    ],
    ids=["no objects", "gone", "HEAD", "config"],
)
def test_a_damaged_mirror_heals_at_the_next_look(repository: Repository, damage: object) -> None:
    repository.look()
    assert callable(damage)
    damage(repository.mirror_path)

    snapshot = repository.look()

    assert snapshot.list_entries(snapshot.commit).keys() == FILES.keys()


def test_damage_found_while_reading_heals_at_the_next_look(repository: Repository) -> None:
    snapshot = repository.look()
    for pack in (repository.mirror_path / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40] + bytes(400))

    with pytest.raises(UnavailableError, match="damaged"):
        snapshot.list_entries(snapshot.commit)
    healed = repository.look()
    assert healed.list_entries(healed.commit).keys() == FILES.keys()


def test_what_was_begun_and_never_became_a_mirror_goes(repository: Repository) -> None:
    folder, name = repository.mirror_path.parent, repository.mirror_path.name
    folder.mkdir(parents=True, exist_ok=True)
    for begun in (f"{name}.abcd_123", f"{name}.0123efgh"):
        (folder / begun / "objects").mkdir(parents=True)

    repository.look()

    assert {each.name for each in folder.iterdir() if each.is_dir()} == {name}


def test_lock_files_of_a_killed_git_hold_nobody_up(repository: Repository) -> None:
    repository.look()
    for left in ("shallow.lock", "packed-refs.lock", "refs/remotes/origin/main.lock", "gc.pid"):
        (repository.mirror_path / left).write_bytes(b"")
    same = repository.mirror_path.stat().st_ino
    moved = commit_files(repository.path, "main", {"new": b"new"})

    assert repository.look().commit == moved
    assert repository.mirror_path.stat().st_ino == same, "it was made anew"


def test_tidying_keeps_all_that_is_needed(repository: Repository) -> None:
    for number in range(3):
        commit_files(repository.path, "main", {"prompts/reply.yaml": b"%d" % number})
        snapshot = repository.look()
    git(repository.mirror_path, "config", "gc.autoPackLimit", "1")
    packs = repository.mirror_path / "objects" / "pack"
    assert len(list(packs.glob("*.pack"))) > 2

    repository.mirror.collect_garbage()

    eventually(lambda: len(list(packs.glob("*.pack"))) <= 2)
    assert snapshot.read_file(snapshot.commit, "prompts/reply.yaml") == b"2"
    assert repository.look().list_entries(snapshot.commit).keys() == FILES.keys()


def test_a_large_repository_has_a_small_mirror(tmp_path: Path) -> None:
    files = {
        f"src/{n // 200}/{n}.txt": b"%d %s" % (n, bytes(1000).hex().encode()) for n in range(20_000)
    }
    path = create_repository(tmp_path, "large", files | FILES)
    mirror = RepositoryMirror(tmp_path / "mirror")
    snapshot = mirror.fetch(GitRemote(path.as_uri()), "main", PREFIX)

    commit = snapshot.write_commit(draft(snapshot.commit, {"prompts/reply.yaml": b"new\n"}))
    snapshot.push_branch(snapshot.remote, f"{PREFIX}reply", commit, None)

    assert _size(tmp_path / "mirror") < _size(path) / 2
    changed = git(path, "diff", "--name-only", "main", f"{PREFIX}reply").splitlines()
    assert changed == ["prompts/reply.yaml"]
    assert len(snapshot.list_entries(commit, "src/7")) == 200


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
