"""``status``: where is my prompt?"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from bridge.serve.release import PromptRelease, ReleaseKey, ReleaseRecord
from bridge.serve.release_store import ReleaseStore
from bridge.storage.database import Database
from bridge.storage.log_queue import LogDeliveryResult, LogQueue, LogState, QueuedLog
from bridge.wiring import get_current_time
from tests.integration.cli.cli_workspace import CliWorkspace


def test_nothing_known_is_told_as_such(workspace: CliWorkspace) -> None:
    said = workspace.run("status")

    assert said.status == 0
    assert "Nothing is known yet." in said.out


def test_every_prompt_is_told_with_its_state(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.save("support/thank", "Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")
    workspace.run("sync")

    said = workspace.run("status")

    assert (said.status, said.out.splitlines()[-1]) == (0, "1 pull request open, 1 parked")
    told = workspace.run("status", "--json").json["prompts"]
    assert [(one["prompt"], one["state"]) for one in told] == [
        ("support/reply", "pull request open"),
        ("support/thank", "parked"),
    ]
    (parked,) = workspace.run("status", "--json", "--state", "parked").json["prompts"]
    assert "secret" in parked["reason"]


def test_of_one_prompt_the_way_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")

    said = workspace.run("status", "support/reply")
    told = workspace.run("status", "1", "--json").json

    assert said.status == 0
    assert "pull request opened" in said.out
    assert [step["what"] for step in told["way"]] == ["looked at", "pull request opened"]
    assert told["way"][1]["pull_request"].endswith("/pull/1")
    assert [one["number"] for one in told["prompts"]] == [opened.number]


def test_logs_that_wait_and_logs_that_were_not_taken_are_told(workspace: CliWorkspace) -> None:
    workspace.run("sync")
    database = Database(f"sqlite:///{workspace.folder}/bridge-data/bridge.sqlite")
    queue = LogQueue(database, get_current_time, limit=1 << 20)
    for number in range(3):
        log = QueuedLog(
            f"pb_{number}",
            "promptlayer",
            "bot",
            "/track-request",
            f"{number}",
            "{}",
            get_current_time(),
        )
        queue.put(log)
    (first,) = queue.claim_due(1, timedelta(minutes=1))
    queue.record_results([LogDeliveryResult(first, LogState.PARKED, reason="refused with 422")])
    queue.close()
    database.close()

    said = workspace.run("status")
    told = workspace.run("status", "--json").json["logs"]

    assert "logs of applications: 2 wait for PromptLayer" in said.err
    assert "logs of applications: 1 parked" in said.err
    assert "1 times: refused with 422" in said.err
    assert (told["waiting"], told["parked"]) == (2, 1)


def test_a_prompt_that_nobody_knows_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")

    said = workspace.run("status", "support/nothing")

    assert said.status == 1
    assert "knows no prompt 'support/nothing'" in said.err


def test_in_a_pipe_names_and_addresses_stay_whole(workspace: CliWorkspace) -> None:
    name = "support/" + "a-name-that-goes-on-" * 6 + "and-ends"
    workspace.save(name)
    del workspace.environment["COLUMNS"]
    planned = workspace.run("plan")
    workspace.run("sync")
    workspace.deliver()

    told = (planned, workspace.run("status"), workspace.run("deliveries", "list"))

    for said in told:
        assert [name in line.split() for line in said.out.splitlines()].count(True) == 1, said.out
    assert "http://forge.example.com/acme/support-bot/pull/1" in told[1].out


def test_nothing_that_fits_is_not_told_as_nothing_known(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")

    for words in (("--state", "parked"), ("--mapping", "support", "--state", "parked")):
        said = workspace.run("status", *words)
        assert (said.status, said.out) == (0, "No prompt fits.\n")


def test_what_is_served_and_what_is_in_doubt_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")
    with closing(Database(f"sqlite:///{workspace.folder}/bridge-data/bridge.sqlite")) as database:
        now = get_current_time()
        releases = [
            PromptRelease(
                ReleaseKey("promptlayer", number, "latest"),
                name,
                version,
                "support",
                "c" * 40,
                f"{name}.yaml",
                now,
                now,
                warning,
            )
            for number, name, version, warning in (
                (1, "support/reply", 3, None),
                (2, "support/phone", 1, "it is not published"),
                (3, "support/mail", 0, "its snippet is not merged"),
            )
        ]
        ReleaseStore(database).save([ReleaseRecord(each) for each in releases], [], 0)

    said = workspace.run("status")

    assert "mapping support serves 2 to applications, confirmed" in said.out
    assert (
        "mapping support: support/phone at latest: the content merged before is served: it is not"
        " published"
    ) in said.err
    assert "support/mail at latest: nothing is served: its snippet is not merged" in said.err
    document = workspace.run("status", "--json").json
    assert document["served"]["support"]["in_doubt"] == 2
    assert [doubt["name"] for doubt in document["doubts"]] == ["support/mail", "support/phone"]
