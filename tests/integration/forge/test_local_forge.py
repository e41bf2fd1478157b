"""What is special to the local forge: names, files, several processes, and real merges."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.errors import AlreadyExistsError, NotFoundError, RequestRefusedError
from bridge.forge.forge import AccessFindingSeverity, PullRequestContent, PullRequestState
from bridge.forge.local_forge import BODY_LIMIT, LocalForge, MergeMethod, list_repositories
from bridge.forge.local_repository import BareRepository, CommitPerson

NAME = "acme/support-bot"
START = {"README.md": b"# Bot\n", "prompts/reply.yaml": b"one\ntwo\nthree\n"}
CONTENT = PullRequestContent("Update reply", "What changed.")


class Place:
    """A repository with hands to change it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git = BareRepository(LocalForge.create_repository(root, NAME, START))
        self.forge = LocalForge(root, NAME)

    def commit(self, branch: str, files: Mapping[str, bytes]) -> str:
        branches = self.git.list_branches()
        return self.git.commit_files(branch, branches.get(branch, branches["main"]), files)

    def open(self, branch: str = "work", *, draft: bool = False) -> int:
        content = PullRequestContent(CONTENT.title, CONTENT.body, draft=draft)
        return self.forge.create_pull_request(branch, "main", content).number

    def show(self, what: str) -> str:
        return self.read("show", "--format=%an|%s|%P", "--no-patch", what).strip()

    def read(self, *arguments: str) -> str:
        command = ["git", f"--git-dir={self.git.path}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# Names and places.


@pytest.mark.parametrize(
    "name",
    ["../x", "acme/..", "acme/../x", "/etc/x", "acme", "acme/a/b", "-x/y", ".git/x", "a/b\n", ""],
)
def test_a_name_that_is_not_owner_and_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestRefusedError, match="owner/name"):
        LocalForge(tmp_path, name)
    with pytest.raises(RequestRefusedError):
        LocalForge.create_repository(tmp_path, name, {})
    assert list(tmp_path.iterdir()) == []


def test_repositories_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("zoo/b", "acme/bot"):
        LocalForge.create_repository(tmp_path, name, {})

    assert list_repositories(tmp_path) == ["acme/bot", "zoo/b"]


def test_a_repository_is_not_made_twice(place: Place) -> None:
    with pytest.raises(AlreadyExistsError):
        LocalForge.create_repository(place.root, NAME, {})

    assert place.read("show", "main:README.md") == "# Bot\n"


def test_files_with_odd_names_are_kept(tmp_path: Path) -> None:
    files = {'a "quoted" \\ name.txt': b"1", "ünï/côdé\n.txt": b"\x00\xff", "-dash": b""}

    path = LocalForge.create_repository(tmp_path, NAME, files, default_branch="trunk")

    forge = LocalForge(tmp_path, NAME)
    command = ["git", f"--git-dir={path}", "ls-tree", "-rz", "--name-only", "trunk"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    assert set(listing.split("\0")) - {""} == set(files)
    assert forge.find_default_branch() == "trunk"


def test_a_missing_repository_is_told(tmp_path: Path) -> None:
    forge = LocalForge(tmp_path, NAME)

    with pytest.raises(NotFoundError, match="create it"):
        forge.find_default_branch()
    (finding,) = forge.check_access()
    assert finding.severity is AccessFindingSeverity.PROBLEM


def test_the_address_is_the_pages_where_there_is_one(place: Place) -> None:
    place.commit("work", {"prompts/reply.yaml": b"1\n"})
    number = place.open()
    served = LocalForge(place.root, NAME, page_url="http://127.0.0.1:8000")

    assert served.read_pull_request(number).url == f"http://127.0.0.1:8000/{NAME}/pull/{number}"
    assert place.forge.read_pull_request(number).url.startswith("file:///")


# Rules.


def test_a_text_over_the_limit_is_refused(place: Place) -> None:
    place.commit("work", {"x": b"1"})

    for content in (
        PullRequestContent("Update", "x" * (BODY_LIMIT + 1)),
        PullRequestContent("x" * 256, ""),
        PullRequestContent("  ", ""),
    ):
        with pytest.raises(RequestRefusedError, match="characters"):
            place.forge.create_pull_request("work", "main", content)


def test_a_branch_without_commits_of_its_own_is_refused(place: Place) -> None:
    place.git.set_ref("refs/heads/work", place.git.list_branches()["main"])

    with pytest.raises(RequestRefusedError, match="no commits"):
        place.open()


def test_many_threads_get_numbers_of_their_own(place: Place) -> None:
    for at in range(12):
        place.commit(f"work/{at}", {"x": b"%d" % at})

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(lambda at: place.open(f"work/{at}"), range(12)))

    assert sorted(numbers) == list(range(1, 13))


def test_several_processes_open_one_pull_request(place: Place) -> None:
    place.commit("work", {"x": b"1"})
    script = (
        "import sys; from pathlib import Path; from bridge.errors import AlreadyExistsError\n"
        "from bridge.forge.forge import PullRequestContent as C\n"
        "from bridge.forge.local_forge import LocalForge\n"
        f"forge = LocalForge(Path(sys.argv[1]), {NAME!r})\n"
        "try: forge.create_pull_request('work', 'main', C('t', 'b')); print('created')\n"
        "except AlreadyExistsError: print('exists')\n"
    )
    command = [sys.executable, "-c", script, str(place.root)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    said = [racer.communicate(timeout=60)[0].strip() for racer in racers]

    assert sorted(said) == ["created", "exists", "exists"]
    assert len(place.forge.list_all_pull_requests()) == 1


def test_a_comment_is_kept_once_for_each_marker(place: Place) -> None:
    place.commit("work", {"x": b"1"})
    number = place.open()

    for marker, body in [("conflict", "one"), ("results", "fine"), ("conflict", "two")]:
        place.forge.upsert_comment(number, marker, body)

    assert place.forge.read_comments(number) == {"conflict": "two", "results": "fine"}


def test_the_file_is_json_that_a_person_can_read(place: Place) -> None:
    place.commit("work", {"x": b"1"})
    number = place.open()

    held = json.loads((place.root / f"{NAME}.pulls/{number}.json").read_text())

    assert (held["title"], held["state"], held["head"]) == (CONTENT.title, "open", "work")


# Merging.


def diverged(place: Place) -> int:
    """A pull request of two commits; the base moved since, elsewhere in the same file."""
    place.commit("work", {"prompts/reply.yaml": b"ONE\ntwo\nthree\n"})
    place.commit("work", {"prompts/new.yaml": b"new\n"})
    place.commit("main", {"prompts/reply.yaml": b"one\ntwo\nTHREE\n"})
    return place.open()


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_both_sides_changes_are_in_the_base_after_a_merge(place: Place, how: MergeMethod) -> None:
    place.forge.merge(diverged(place), how)

    assert place.read("show", "main:prompts/reply.yaml") == "ONE\ntwo\nTHREE\n"
    assert place.read("show", "main:prompts/new.yaml") == "new\n"


def test_a_merge_has_two_parents_and_names_the_pull_request(place: Place) -> None:
    before = place.git.list_branches()
    place.forge.merge(diverged(place), "merge", author="Ann <ann@example.com>")

    author, subject, parents = place.show("main").split("|")
    assert (author, subject) == ("Ann", "Merge pull request #1 from work")
    assert len(parents.split()) == 2
    assert before["main"] not in parents  # the base had moved when it was opened


def test_a_squash_is_one_commit_with_the_title(place: Place) -> None:
    number = diverged(place)
    base = place.git.list_branches()["main"]

    place.forge.merge(number, "squash")

    assert place.show("main") == f"Reviewer|Update reply (#1)|{base}"


def test_a_rebase_replays_each_commit_with_its_author(place: Place) -> None:
    number = diverged(place)
    base = place.git.list_branches()["main"]
    own = place.forge.list_commits(number)

    place.forge.merge(number, "rebase")

    replayed = place.git.list_commits(base, "main")
    assert [(each.author, each.message) for each in replayed] == [
        (each.author, each.message) for each in own
    ]
    assert {each.id for each in replayed}.isdisjoint({each.id for each in own})


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_conflict_is_refused_and_changes_nothing(place: Place, how: MergeMethod) -> None:
    place.commit("work", {"prompts/reply.yaml": b"mine\n"})
    base = place.commit("main", {"prompts/reply.yaml": b"theirs\n"})
    number = place.open()

    with pytest.raises(RequestRefusedError, match=r"prompts/reply\.yaml"):
        place.forge.merge(number, how)

    assert place.git.list_branches()["main"] == base
    assert place.forge.read_pull_request(number).state is PullRequestState.OPEN


def test_a_draft_cannot_be_merged(place: Place) -> None:
    place.commit("work", {"x": b"1"})
    number = place.open(draft=True)

    with pytest.raises(RequestRefusedError, match="draft"):
        place.forge.merge(number)


def test_what_is_merged_stays_merged(place: Place) -> None:
    number = diverged(place)
    merged = place.forge.merge(number)

    for act in (place.forge.merge, place.forge.close, place.forge.reopen):
        with pytest.raises(RequestRefusedError, match="merged"):
            act(number)

    place.commit("work", {"x": b"later"})
    assert place.forge.read_pull_request(number) == merged
    assert place.forge.close_pull_request(merged, "late").state is PullRequestState.MERGED


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_the_diff_is_the_same_before_and_after_the_merge(place: Place, how: MergeMethod) -> None:
    number = diverged(place)
    before = place.forge.diff(number), place.forge.list_commits(number)

    place.forge.merge(number, how)
    place.git.delete_branch("work")

    assert "-one\n+ONE\n" in before[0]
    assert "THREE" not in before[0]  # the base's own change is not the pull request's
    assert (place.forge.diff(number), place.forge.list_commits(number)) == before


def test_reopening_is_refused_while_another_one_is_open(place: Place) -> None:
    place.commit("work", {"x": b"1"})
    first = place.open()
    place.forge.close(first)
    place.open()

    with pytest.raises(AlreadyExistsError):
        place.forge.reopen(first)


def test_an_author_that_is_not_a_person_is_refused(place: Place) -> None:
    with pytest.raises(RequestRefusedError, match="Name <mail"):
        place.forge.merge(diverged(place), author="nobody")


def test_commits_tell_who_and_what(place: Place) -> None:
    number = diverged(place)

    first, _ = place.forge.list_commits(number)

    assert isinstance(first.author, CommitPerson)
    assert (first.subject, len(first.id)) == ("Change files", 40)
