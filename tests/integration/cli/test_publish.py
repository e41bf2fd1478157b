"""``publish``: what CI runs once a change is merged, and what it says of files that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote

import pytest

from tests.integration.cli.cli_workspace import CONFIG, NOBODY, CliWorkspace, CommandResult
from tests.integration.cli.repository_engineer import RepositoryEngineer, new_file, path, publishing

REPLY, THANK = "support/reply", "support/thank"
LARGE = "x" * (5 * 2**20)


@pytest.fixture
def engineer(workspace: CliWorkspace) -> RepositoryEngineer:
    """Two prompts whose files are as PromptLayer has them."""
    made = publishing(workspace)
    workspace.save(REPLY)
    workspace.save(THANK)
    made.take_files(REPLY, THANK)
    return made


def texts(workspace: CliWorkspace, name: str) -> list[str]:
    """What each version of a prompt says, the oldest first."""
    versions = workspace.registry.find_entry(name).versions
    return [version.template["messages"][0]["content"][0]["text"] for version in versions]


def actions(said: CommandResult) -> dict[str, str]:
    """Path → what happens to it."""
    return {line["path"]: line["action"] for line in said.json["files"]}


def test_nothing_to_publish_is_told(workspace: CliWorkspace, engineer: RepositoryEngineer) -> None:
    for words in ([], ["--dry-run"]):
        said = workspace.run("publish", *words)
        assert (said.status, said.out) == (0, "PromptLayer has everything that is merged.\n")


def test_a_dry_run_shows_what_would_go_and_changes_nothing(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    engineer.write_new_file("support/greet")

    said = workspace.run("publish", "--dry-run")

    assert (said.status, said.err) == (2, "")
    assert said.out.splitlines() == [
        f"publish    {path(REPLY)}: a new version on top of version 1",
        f"create     {path('support/greet')}: a new prompt",
    ]
    assert texts(workspace, REPLY) == ["Be kind."]
    assert len(workspace.registry.entries) == 2


def test_a_dry_run_is_one_json_document(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    said = workspace.run("publish", "--dry-run", "--json")

    assert said.status == 2
    assert said.json == {
        "files": [
            {
                "mapping": "support",
                "path": path(REPLY),
                "prompt": REPLY,
                "action": "publish",
                "reason": "a new version on top of version 1",
            }
        ]
    }


def test_what_is_merged_becomes_a_version_once(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    first, second = workspace.run("publish"), workspace.run("publish")

    assert (first.status, second.status) == (0, 0)
    assert first.out == f"published  {path(REPLY)} is version 2 of {REPLY}\n"
    assert second.out == "PromptLayer has everything that is merged.\n"
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief."]


def test_a_dry_run_of_a_commit_that_is_not_merged_shows_what_merging_would_publish(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    text = engineer.read_file(REPLY).replace("Be kind", "Be brief")
    commit = engineer.merge_files({path(REPLY): text.encode()}, branch="topic")

    assert workspace.run("publish", "--dry-run").status == 0
    said = workspace.run("publish", "--dry-run", "--json", "--at", commit)

    assert (said.status, actions(said)) == (2, {path(REPLY): "publish"})


def test_a_commit_that_is_not_there_is_told(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    said = workspace.run("publish", "--dry-run", "--at", "beef" * 10)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("There is no commit beef")


@pytest.mark.parametrize("at", ["beef123", "main", "HEAD~1", "v1.0; ls"])
def test_a_short_name_of_a_commit_is_refused_with_the_way_to_the_full_one(
    workspace: CliWorkspace, engineer: RepositoryEngineer, at: str
) -> None:
    said = workspace.run("publish", "--dry-run", "--at", at)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("--at takes a commit's full name, of 40 or 64 digits, and not ")
    assert f"`git rev-parse {quote(at)}`" in said.err


def test_only_the_base_branch_is_ever_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    said = workspace.run("publish", "--at", "main")

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("--at goes with --dry-run")


@pytest.mark.parametrize(
    ("variable", "event"),
    [
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_NAME", "pull_request_target"),
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
    ],
)
def test_what_may_be_a_strangers_is_shown_and_never_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer, variable: str, event: str
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    workspace.environment[variable] = event

    said = workspace.run("publish")

    assert (said.status, said.out) == (1, "")
    assert event in said.err
    assert texts(workspace, REPLY) == ["Be kind."]
    assert workspace.run("publish", "--dry-run").status == 2


def test_no_mapping_that_publishes_is_told(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG)

    said = workspace.run("publish")

    assert (said.status, said.err) == (1, "No mapping of bridge.yaml has `publish: true`.\n")


def test_promptlayer_out_of_reach_is_told_in_one_line(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.configure(f"{CONFIG}    publish: true\n", platform=NOBODY)

    said = workspace.run("publish")

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"PromptLayer cannot be reached at {NOBODY}")


def test_edits_of_both_sides_that_overlap_are_a_conflict_and_a_pull_request(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    engineer.edit_file(THANK, "Be kind", "Be brief")
    workspace.save(REPLY, "Be thorough.")

    dry, said = workspace.run("publish", "--dry-run", "--json"), workspace.run("publish", "--json")

    assert (dry.status, actions(dry)) == (3, {path(REPLY): "conflict", path(THANK): "publish"})
    assert (said.status, actions(said)) == (3, {path(REPLY): "conflict", path(THANK): "published"})
    assert texts(workspace, REPLY) == ["Be kind.", "Be thorough."]
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    assert "Be brief." in opened.body
    assert "Be thorough." in opened.body


def without_id(text: str) -> str:
    return text.replace("id: 1\n", "id: first\n")


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "broken YAML": (lambda text: text.replace("messages:", "messages: ["), ":7: not valid YAML"),
    "an unknown role": (lambda text: text.replace("role: system", "role: boss"), ":7: messages[0]"),
    "a wrong type": (lambda text: text.replace("Be kind.", "7"), ":8: messages[0].content"),
    "an id that is no number": (without_id, ":2: id: expected a whole number"),
    "no label": (lambda text: text.replace("label: latest\n", ""), ":1: label: expected a value"),
    "a message of 5 MB": (
        lambda text: text.replace("Be kind.", LARGE),
        ":1: the file is too large",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_wrong_is_told_with_its_line_and_the_others_are_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer, what: str
) -> None:
    breaks, expected = BROKEN[what]
    engineer.merge_files({path(REPLY): breaks(engineer.read_file(REPLY)).encode()})
    engineer.edit_file(THANK, "Be kind", "Be brief")

    dry, said = workspace.run("publish", "--dry-run"), workspace.run("publish")

    assert (dry.status, said.status) == (1, 1)
    for told in (dry, said):
        (mistake,) = [line for line in told.out.splitlines() if line.startswith("mistake")]
        assert mistake.startswith(f"mistake    {path(REPLY)}{expected}")
    assert texts(workspace, REPLY) == ["Be kind."]
    assert texts(workspace, THANK) == ["Be kind.", "Be brief."]


@pytest.mark.parametrize("what", ["windows line ends", "a byte order mark"])
def test_what_editors_leave_in_a_file_is_no_mistake(
    workspace: CliWorkspace, engineer: RepositoryEngineer, what: str
) -> None:
    def left(text: bytes) -> bytes:
        return (
            text.replace(b"\n", b"\r\n") if what == "windows line ends" else b"\xef\xbb\xbf" + text
        )

    greet = "support/greet"
    edited = engineer.read_file(REPLY).replace("Be kind", "Be brief")
    engineer.merge_files({path(REPLY): left(edited.encode()), path(greet): left(new_file(greet))})

    said = workspace.run("publish")

    assert said.status == 0
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief."]
    assert texts(workspace, greet) == ["Be new."]


def test_a_copy_that_kept_its_id_is_told_and_never_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    copy = engineer.read_file(REPLY).replace("Be kind", "A copy")
    engineer.merge_files({path("support/a-copy"): copy.encode()})

    said = workspace.run("publish")

    assert said.status == 1
    assert said.out == (
        f"mistake    {path('support/a-copy')}:1: expected one file for prompt 1 (latest);"
        f" {path(REPLY)} is it already. Remove one of them, or make this one a prompt of its own:"
        " another `name`, and no `id`.\n"
    )
    assert texts(workspace, REPLY) == ["Be kind."]


def test_of_two_files_for_one_prompt_the_one_in_its_place_is_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files(
        {path("support/a-copy"): engineer.read_file(REPLY).replace("Be kind", "A copy").encode()}
    )
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    said = workspace.run("publish", "--json")

    assert (said.status, actions(said)[path("support/a-copy")]) == (1, "mistake")
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief."]


def test_two_new_files_of_one_name_make_one_prompt(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    greet = "support/greet"
    engineer.merge_files(
        {path(greet): new_file(greet), path("support/z"): new_file(greet, "Be late.")}
    )

    said = workspace.run("publish", "--json")

    assert said.status == 1
    assert actions(said) == {path(greet): "created", path("support/z"): "mistake"}
    assert texts(workspace, greet) == ["Be new."]


def test_a_new_file_of_a_prompt_that_has_one_is_told_with_both_paths(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files({path("support/z"): new_file(REPLY)})

    said = workspace.run("publish")

    assert said.status == 1
    assert said.out.startswith(
        f"mistake    {path('support/z')}:1: expected one file for prompt '{REPLY}' (latest);"
        f" {path(REPLY)} is it already."
    )
    assert texts(workspace, REPLY) == ["Be kind."]


def test_a_new_file_of_a_name_that_is_not_followed_makes_no_prompt(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files({path("sales/pitch"): new_file("sales/pitch")})

    assert workspace.run("publish").status == 1
    assert len(workspace.registry.entries) == 2


def test_a_new_prompt_is_made_once_and_its_id_is_proposed(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.write_new_file("support/greet")

    first = workspace.run("publish", "--json")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    again = workspace.run("publish", "--json")
    workspace.forge.merge(opened.number, "squash")
    after = workspace.run("publish", "--json")

    assert actions(first) == {path("support/greet"): "created"}
    assert (again.status, actions(again)) == (0, {path("support/greet"): "id"})
    assert (after.status, actions(after)) == (0, {})
    assert "id: 3\n" in engineer.read_file("support/greet")
    assert texts(workspace, "support/greet") == ["Be new."]


def names(count: int) -> list[str]:
    return [f"support/p{number:02}" for number in range(count)]


def test_of_twenty_files_the_one_that_is_refused_is_named_and_a_second_run_does_the_rest(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    twenty = names(20)
    ninth = twenty[8]
    files = {path(name): new_file(name) for name in twenty}
    engineer.merge_files({**files, path(ninth): new_file(ninth, "See @@@support/missing@@@.")})

    said = workspace.run("publish", "--json")

    told = {line["path"]: line for line in said.json["files"]}
    assert said.status == 1
    assert told[path(ninth)]["action"] == "failed"
    assert "422" in told[path(ninth)]["reason"]
    assert "Snippet support/missing does not exist" in told[path(ninth)]["reason"]
    assert [line["action"] for line in told.values()].count("created") == 19

    engineer.merge_files({path(ninth): new_file(ninth)})
    again = workspace.run("publish", "--json")

    assert (again.status, actions(again)[path(ninth)]) == (0, "created")
    assert all(len(workspace.registry.find_entry(name).versions) == 1 for name in twenty)


def test_a_prompt_whose_making_nobody_remembers_is_not_made_twice(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    """Killed between publish and record: what counts is what PromptLayer holds."""
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    engineer.write_new_file("support/greet")
    workspace.save(REPLY, "Be brief.")
    workspace.save("support/greet", "Be new.")

    said = workspace.run("publish", "--json")

    assert (said.status, actions(said)) == (0, {path("support/greet"): "id"})
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief."]
    assert texts(workspace, "support/greet") == ["Be new."]


def snippet(name: str, text: str) -> bytes:
    return f"kind: prompt/v1\nname: {name}\nlabel: latest\ntype: completion\ncontent: {text}\n".encode()


def test_snippets_are_published_before_those_who_use_them(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    """PromptLayer refuses a prompt whose snippet it does not know."""
    a, b, c = "support/a", "support/b", "support/c"
    engineer.merge_files(
        {
            path(a): new_file(a, f'"@@@{b}@@@"'),
            path(b): snippet(b, f'"Mind: @@@{c}@@@"'),
            path(c): snippet(c, "Be polite."),
        }
    )

    said = workspace.run("publish")

    assert said.status == 0, said.out
    made = [entry.name for entry in workspace.registry.entries.values()]
    assert made[2:] == [c, b, a]


def test_a_circle_of_snippets_is_told_and_the_others_are_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    a, b, user = "support/a", "support/b", "support/user"
    engineer.merge_files(
        {
            path(a): snippet(a, f'"@@@{b}@@@"'),
            path(b): snippet(b, f'"@@@{a}@@@"'),
            path(user): new_file(user, f'"@@@{a}@@@"'),
        }
    )
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    said = workspace.run("publish", "--json")

    reasons = {line["path"]: line["reason"] for line in said.json["files"]}
    assert said.status == 1
    assert actions(said) == {
        path(a): "failed",
        path(b): "failed",
        path(user): "failed",
        path(REPLY): "published",
    }
    assert "in a circle: support/" in reasons[path(a)]
    assert reasons[path(user)] == f"{path(user)} uses {a}, which was not published."


def test_a_wrong_key_is_told_once_and_not_repeated(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    workspace.environment["PROMPTLAYER_API_KEY"] = "pl_wrong"

    said = workspace.run("publish")

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("PromptLayer key refused.")
    assert "pl_wrong" not in said.err


def test_the_output_in_a_pipe_has_no_moving_parts(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    said = workspace.start("publish")

    assert said.status == 0
    assert (said.out.count("\n"), said.err) == (1, "")
    assert "\x1b" not in said.out


def test_a_deleted_file_deletes_its_prompt_where_the_mapping_says_so(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.configure(CONFIG + "    publish: true\n    on_delete: delete\n")
    assert workspace.run("publish").status == 0  # records up to where deletions were followed
    engineer.merge_files({path(REPLY): None})

    shown = workspace.run("publish", "--dry-run")
    done = workspace.run("publish")

    assert (shown.status, shown.out) == (2, f"delete     {REPLY}: its file was deleted\n")
    assert done.status == 0
    assert done.out == f"deleted    {REPLY} is deleted in PromptLayer, as its file was\n"
    assert [entry.name for entry in workspace.registry.entries.values() if entry.deleted] == [REPLY]
    assert workspace.run("publish").out == "PromptLayer has everything that is merged.\n"
