"""The commit: who wrote it, who committed it, and what it remembers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.config.whole import Person
from bridge.promptlayer.events import User
from bridge.prompts.prompt import Prompt
from bridge.repo.commit import Signing
from bridge.sandbox.entries import ADA
from tests.integration.lifecycle.world import BOB, JANE, MakeWorld, World
from tests.standins.git_http import git


def commit(world: World, form: str) -> str:
    (only,) = world.place.log(world.pull_request().head, form)
    return only


def test_the_editor_is_the_author_and_the_bot_commits(world: World) -> None:
    world.save("Answer kindly.", by=JANE)

    world.settle()

    assert commit(world, "%an <%ae>") == "Jane Doe <jane@example.com>"
    assert commit(world, "%cn <%ce>") == "promptlayer-bridge <bridge@example.com>"


def test_the_authors_date_is_the_events(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    (payload,) = world.post.waiting

    world.settle()

    assert commit(world, "%aI")[:19] == payload["timestamp"][:19]


def test_the_same_content_on_the_same_base_is_the_same_commit(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    payloads = list(world.post.waiting)
    world.settle()
    before = world.pull_request()
    world.place.forget_pull_requests()
    world.place.delete_branch(before.head)
    world.forget_everything()
    world.deliver(payloads)

    world.settle()

    assert world.pull_request().head_commit == before.head_commit


def test_everybody_of_a_burst_is_named_once(world: World) -> None:
    for by in (ADA, JANE, BOB, JANE):
        world.save(f"Draft of {by.name}.", by=by)

    world.settle()

    message = commit(world, "%an%n%B")
    assert message.startswith("Jane Doe\n")
    assert "Co-authored-by: Jane" not in message
    assert message.count("Co-authored-by: Ada Lovelace <ada@example.com>") == 1
    assert message.count("Co-authored-by: Bob Ray <bob@example.com>") == 1


def test_editors_of_earlier_versions_stay_named(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    world.settle()
    world.save("Answer briefly.", by=BOB)

    world.settle()

    assert commit(world, "%an") == "Bob Ray"
    assert "Co-authored-by: Jane Doe <jane@example.com>" in commit(world, "%B")
    assert "Jane Doe" in world.pull_request().body


def test_trailers_say_what_was_proposed(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"]})
    world.save("Answer kindly.")
    world.save("Answer briefly.", labels=["prod"])

    world.settle()

    trailers = commit(world, "%(trailers:only,unfold)").strip().splitlines()
    assert trailers[:3] == [
        "PromptLayer-Prompt: 1",
        "PromptLayer-Version: 2",
        "PromptLayer-Label: prod",
    ]


def test_the_roster_says_who_a_user_is_in_git_and_on_the_forge(make_world: MakeWorld) -> None:
    jane = Person(
        promptlayer="jane@example.com", name="Jane D.", email="jd@corp.example", login="janed"
    )
    world = make_world(roster=[jane])
    world.save("Answer kindly.", by=BOB)
    world.save("Answer briefly.", by=JANE)

    world.settle()

    assert commit(world, "%an <%ae>") == "Jane D. <jd@corp.example>"
    assert "Co-authored-by: Bob Ray <bob@example.com>" in commit(world, "%B")


def test_an_edit_by_an_api_key_is_the_bots(world: World) -> None:
    world.save("Answer kindly.", by=User(1, None, None))

    world.settle()

    assert commit(world, "%an") == "promptlayer-bridge"


@pytest.mark.parametrize(
    "name", ["Eve\nCo-authored-by: Ada <ada@example.com>", "<script>", "@everybody", "\x00\x1b[31m"]
)
def test_a_hostile_name_of_a_user_stays_one_line_of_text(world: World, name: str) -> None:
    world.save("Answer kindly.", by=User(9, name, "eve@example.com"))
    world.save("Answer briefly.", by=JANE)

    world.settle()

    assert commit(world, "%an") == "Jane Doe"
    trailers = commit(world, "%(trailers:only,unfold)")
    assert "ada@example.com" not in trailers.replace("eve@example.com", "")
    assert "<script>" not in world.pull_request().body


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_commits_are_signed_with_an_ssh_key(make_world: MakeWorld, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30
    )
    world = make_world(signing=Signing("ssh", str(key)))
    world.save("Answer kindly.", by=JANE)

    world.settle()
    signed = git(world.place.repository, "cat-file", "commit", world.branch())
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in signed
    before = world.pull_request().head_commit

    world.sweep()

    assert world.pull_request().head_commit == before


def test_only_the_wanted_file_is_touched(world: World) -> None:
    files = {f"src/{n}.py": b"pass\n" for n in range(20)}
    world.place.commit(files)
    world.save("Answer kindly.")

    world.settle()

    assert world.place.changed(world.branch()) == {"prompts/latest/support/reply.yaml"}
    assert world.place.paths(world.branch()) >= files.keys()
    assert isinstance(world.held(revision=world.branch()), Prompt)
