"""The commit: who wrote it, who committed it, and what it remembers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.config.bridge_config import PersonSettings
from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import Prompt
from bridge.repo.commit import CommitSigning
from bridge.sandbox.registry_entries import DEFAULT_EDITOR
from tests.integration.lifecycle.bridge_environment import BOB, JANE, BridgeEnvironment, MakeWorld
from tests.standins.git_http import git


def commit(environment: BridgeEnvironment, form: str) -> str:
    (only,) = environment.repository.log(environment.pull_request().head_branch, form)
    return only


def test_the_editor_is_the_author_and_the_bot_commits(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=JANE)

    environment.settle()

    assert commit(environment, "%an <%ae>") == "Jane Doe <jane@example.com>"
    assert commit(environment, "%cn <%ce>") == "promptlayer-bridge <bridge@example.com>"


def test_the_authors_date_is_the_events(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=JANE)
    (payload,) = environment.post.waiting

    environment.settle()

    assert commit(environment, "%aI")[:19] == payload["timestamp"][:19]


def test_the_same_content_on_the_same_base_is_the_same_commit(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.", by=JANE)
    payloads = list(environment.post.waiting)
    environment.settle()
    before = environment.pull_request()
    environment.repository.forget_pull_requests()
    environment.repository.delete_branch(before.head_branch)
    environment.forget_everything()
    environment.deliver(payloads)

    environment.settle()

    assert environment.pull_request().head_commit == before.head_commit


def test_everybody_of_a_burst_is_named_once(environment: BridgeEnvironment) -> None:
    for by in (DEFAULT_EDITOR, JANE, BOB, JANE):
        environment.save(f"Draft of {by.name}.", by=by)

    environment.settle()

    message = commit(environment, "%an%n%B")
    assert message.startswith("Jane Doe\n")
    assert "Co-authored-by: Jane" not in message
    assert message.count("Co-authored-by: Ada Lovelace <ada@example.com>") == 1
    assert message.count("Co-authored-by: Bob Ray <bob@example.com>") == 1


def test_editors_of_earlier_versions_stay_named(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=JANE)
    environment.settle()
    environment.save("Answer briefly.", by=BOB)

    environment.settle()

    assert commit(environment, "%an") == "Bob Ray"
    assert "Co-authored-by: Jane Doe <jane@example.com>" in commit(environment, "%B")
    assert "Jane Doe" in environment.pull_request().body


def test_trailers_say_what_was_proposed(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"]})
    environment.save("Answer kindly.")
    environment.save("Answer briefly.", labels=["prod"])

    environment.settle()

    trailers = commit(environment, "%(trailers:only,unfold)").strip().splitlines()
    assert trailers[:3] == [
        "PromptLayer-Prompt: 1",
        "PromptLayer-Version: 2",
        "PromptLayer-Label: prod",
    ]


def test_the_roster_says_who_a_user_is_in_git_and_on_the_forge(make_world: MakeWorld) -> None:
    jane = PersonSettings(
        promptlayer="jane@example.com", name="Jane D.", email="jd@corp.example", login="janed"
    )
    environment = make_world(roster=[jane])
    environment.save("Answer kindly.", by=BOB)
    environment.save("Answer briefly.", by=JANE)

    environment.settle()

    assert commit(environment, "%an <%ae>") == "Jane D. <jd@corp.example>"
    assert "Co-authored-by: Bob Ray <bob@example.com>" in commit(environment, "%B")


def test_an_edit_by_an_api_key_is_the_bots(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=EventUser(1, None, None))

    environment.settle()

    assert commit(environment, "%an") == "promptlayer-bridge"


@pytest.mark.parametrize(
    "name", ["Eve\nCo-authored-by: Ada <ada@example.com>", "<script>", "@everybody", "\x00\x1b[31m"]
)
def test_a_hostile_name_of_a_user_stays_one_line_of_text(
    environment: BridgeEnvironment, name: str
) -> None:
    environment.save("Answer kindly.", by=EventUser(9, name, "eve@example.com"))
    environment.save("Answer briefly.", by=JANE)

    environment.settle()

    assert commit(environment, "%an") == "Jane Doe"
    trailers = commit(environment, "%(trailers:only,unfold)")
    assert "ada@example.com" not in trailers.replace("eve@example.com", "")
    assert "<script>" not in environment.pull_request().body


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_commits_are_signed_with_an_ssh_key(make_world: MakeWorld, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30
    )
    environment = make_world(signing=CommitSigning("ssh", str(key)))
    environment.save("Answer kindly.", by=JANE)

    environment.settle()
    signed = git(environment.repository.repository, "cat-file", "commit", environment.branch())
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in signed
    before = environment.pull_request().head_commit

    environment.sweep()

    assert environment.pull_request().head_commit == before


def test_only_the_wanted_file_is_touched(environment: BridgeEnvironment) -> None:
    files = {f"src/{n}.py": b"pass\n" for n in range(20)}
    environment.repository.commit(files)
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.repository.changed(environment.branch()) == {
        "prompts/latest/support/reply.yaml"
    }
    assert environment.repository.paths(environment.branch()) >= files.keys()
    assert isinstance(environment.held(revision=environment.branch()), Prompt)
