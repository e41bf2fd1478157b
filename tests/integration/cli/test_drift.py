"""``plan`` shows both directions, with the reason in words; ``sync`` then does it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.integration.cli.desk import CONFIG, Desk
from tests.integration.cli.engineer import Engineer, new_file, path, publishing

FIRST, SECOND = "Be kind.", "Be kind and brief."

TABLE = """\
mapping  prompt            label   standing                                          sync would
support  support/new       latest  never synced: a new file                          make a prompt of it
support  support/file      latest  edited in the repository                          publish a new version
support  support/platform  latest  edited on the platform: version 2 in PromptLayer  open a pull request
"""


def standing(desk: Desk) -> Mapping[str, tuple[str, str]]:
    """Prompt or path → standing and action, as ``plan --json`` tells them."""
    said = desk.run("plan", "--json").json["out_of_step"]
    return {row["prompt"] or row["path"]: (row["standing"], row["action"]) for row in said}


def everything_at_once(desk: Desk) -> Engineer:
    """One prompt of every kind of drift."""
    engineer = publishing(desk)
    names = ("support/platform", "support/file", "support/meet", "support/clash", "support/gone")
    for name in names:
        desk.save(name, FIRST)
    engineer.takes(*names)
    desk.save("support/unknown", FIRST)
    desk.save("support/platform", SECOND)
    engineer.edits("support/file", FIRST, "Be brief.")
    desk.save("support/clash", SECOND)
    engineer.edits("support/clash", FIRST, "Be brief.")
    desk.save("support/meet", SECOND)
    engineer.edits(
        "support/meet", "name: support/meet\n", "name: support/meet\nmetadata:\n  a: b\n"
    )
    desk.registry.delete(desk.registry.entry("support/gone").id)
    engineer.writes("support/new")
    return engineer


def test_plan_shows_both_directions_with_the_reason_in_words(desk: Desk) -> None:
    everything_at_once(desk)

    assert standing(desk) == {
        "support/new": ("never synced: a new file", "make a prompt of it"),
        "support/unknown": ("never synced: not in the repository yet", "open a pull request"),
        "support/platform": (
            "edited on the platform: version 2 in PromptLayer",
            "open a pull request",
        ),
        "support/file": ("edited in the repository", "publish a new version"),
        "support/meet": (
            "edited on both sides, merged: version 2 in PromptLayer, and edited in the repository",
            "open a pull request",
        ),
        "support/clash": (
            "edited on both sides, in conflict: version 2 in PromptLayer, and edited in the"
            " repository",
            "open a pull request",
        ),
        "support/gone": ("deleted in PromptLayer", "open a pull request"),
    }
    assert desk.run("plan").status == 2


def test_the_table_has_a_line_for_each_direction(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save("support/file", FIRST)
    desk.save("support/platform", FIRST)
    engineer.takes("support/file", "support/platform")
    engineer.edits("support/file", FIRST, "Be brief.")
    desk.save("support/platform", SECOND)
    engineer.writes("support/new")

    said = desk.run("plan")

    assert "".join(f"{line.rstrip()}\n" for line in said.out.splitlines()) == TABLE


def test_sync_does_what_plan_showed(desk: Desk) -> None:
    everything_at_once(desk)

    said = desk.run("sync")

    assert said.status == 0
    assert "published: prompts/latest/support/new.yaml" in said.out
    assert desk.registry.entry("support/file").latest.number == 2
    assert desk.registry.entry("support/new").latest.number == 1
    assert len(desk.forge.open_pull_requests("promptlayer/")) == 5


def test_without_publish_plan_says_what_stays(desk: Desk) -> None:
    engineer = everything_at_once(desk)
    desk.configure()
    assert engineer.desk is desk

    told = standing(desk)

    nothing = "nothing (the mapping does not publish)"
    assert told["support/new"] == ("never synced: a new file", nothing)
    assert told["support/file"] == ("edited in the repository", nothing)


def test_a_label_that_stands_elsewhere_differs(desk: Desk) -> None:
    desk.configure(f"{CONFIG}    track: [prod]\n")
    id = desk.save("support/reply", FIRST, labels=["prod"])
    desk.run("sync")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")
    desk.save("support/reply", SECOND)
    desk.registry.move_label(id, "prod", 2)

    assert standing(desk)["support/reply"] == (
        "label differs: version 2 in PromptLayer",
        "open a pull request",
    )


def test_a_file_that_was_removed_after_its_merge_is_told_and_left(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save("support/reply", FIRST)
    desk.run("sync")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")
    engineer.merges({path("support/reply"): None})

    told, action = standing(desk)["support/reply"]

    assert told == "deleted in the repository"
    assert action.startswith("nothing (undone in the repository)")


def test_a_mistake_in_a_file_is_told_with_its_line(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save("support/reply", FIRST)
    engineer.takes("support/reply")
    engineer.merges({path("support/odd"): new_file("support/odd").replace(b"system", b"sytem")})

    told, action = standing(desk)[path("support/odd")]

    assert told == "a mistake in the file"
    assert action.startswith(f"skip: {path('support/odd')}:")


def test_the_repositorys_text_is_chosen_on_the_command_line(desk: Desk) -> None:
    everything_at_once(desk)

    said = desk.run("sync", "--adopt", "repository", "--prompt", "support/cl*")

    assert said.status == 0
    assert desk.registry.entry("support/clash").latest.number == 3
    assert desk.registry.entry("support/platform").latest.number == 2


def test_the_repositorys_text_needs_a_mapping_that_publishes(desk: Desk) -> None:
    said = desk.run("sync", "--adopt", "repository")

    assert (said.status, said.out) == (1, "")
    assert "set `publish: true`" in said.err


def test_a_prompt_without_a_choice_is_a_mistake(desk: Desk) -> None:
    said = desk.run("sync", "--prompt", "support/*")

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("--prompt goes with --adopt")
