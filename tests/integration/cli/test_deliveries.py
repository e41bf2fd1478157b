"""``deliveries``: what PromptLayer said, and what came of it."""

from __future__ import annotations

from tests.integration.cli.cli_workspace import CliWorkspace, rows


def test_no_deliveries_are_told_as_such(workspace: CliWorkspace) -> None:
    said = workspace.run("deliveries", "list")

    assert (said.status, said.out) == (0, "No deliveries.\n")


def test_a_delivery_is_listed_in_one_line(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    id = workspace.deliver()

    (row,) = rows(workspace.run("deliveries", "list").out)

    assert (row["id"], row["event"], row["prompt"]) == (id[:12], "version_created", "support/reply")
    assert row["state"] == "new"


def test_the_list_is_one_json_document(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    id = workspace.deliver()

    said = workspace.run("deliveries", "list", "--json").json

    assert said["stuck"] == []
    (listed,) = said["deliveries"]
    assert (listed["id"], listed["prompt_id"], listed["seen"]) == (id, 1, 1)
    assert (listed["state"], listed["outcome"]) == ("new", None)


def test_the_list_can_be_narrowed(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    reply = workspace.deliver()
    workspace.save("support/thank")
    thank = workspace.deliver()

    def listed(*words: str) -> set[str]:
        said = workspace.run("deliveries", "list", "--json", *words).json
        return {one["id"] for one in said["deliveries"]}

    assert listed() == {reply, thank}
    assert listed("--prompt", "support/thank") == {thank}
    assert listed("--prompt", "1") == {reply}
    assert listed("--state", "done") == set()
    assert listed("--limit", "1") == {thank}


def test_what_is_parked_is_narrowed_to_the_prompt_too(workspace: CliWorkspace) -> None:
    for name in ("support/reply", "support/thank"):
        workspace.save(name, f"{name}: ghp_16C7e42F292c6912E7710c838347Ae178B4a")
    workspace.run("sync")

    every = workspace.run("deliveries", "list").out
    reply = workspace.run("deliveries", "list", "--prompt", "support/reply").out
    by_id = workspace.run("deliveries", "list", "--prompt", "1", "--json").json

    assert (every.count("parked:"), reply.count("parked:"), len(by_id["stuck"])) == (2, 1, 1)


def test_a_delivery_is_shown_by_the_first_digits_of_its_id(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    id = workspace.deliver()

    said = workspace.run("deliveries", "show", id[:8])

    assert said.status == 0
    assert f"id           {id}\n" in said.out
    assert "label        -\n" in said.out
    assert '"prompt_template_name": "support/reply"' in said.out


def test_a_shown_delivery_is_one_json_document_with_its_payload(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    id = workspace.deliver()

    said = workspace.run("deliveries", "show", id, "--json").json

    assert said["payload"] == workspace.posted[-1]
    assert said["looks"] == []


def test_an_unknown_id_is_told(workspace: CliWorkspace) -> None:
    for command in ("show", "redeliver"):
        said = workspace.run("deliveries", command, "beef")

        assert said.status == 1
        assert said.err == (
            "There is no delivery 'beef'. See: promptlayer-bridge deliveries list\n"
        )


def test_an_id_that_two_deliveries_begin_with_is_told(workspace: CliWorkspace) -> None:
    ids: list[str] = []
    while len({id[0] for id in ids}) == len(ids):  # two of seventeen begin alike
        workspace.save("support/reply", f"Text {len(ids)}")
        ids.append(workspace.deliver())

    said = workspace.run("deliveries", "show", ids[-1][0])

    assert said.status == 1
    assert "more" in said.err


def test_a_redelivery_is_new_again(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    id = workspace.deliver()

    said = workspace.run("deliveries", "redeliver", id[:8])

    assert said.status == 0
    assert said.out.startswith(f"{id[:12]} is new again")
    (listed,) = workspace.run("deliveries", "list", "--json", "--state", "new").json["deliveries"]
    assert listed["id"] == id
