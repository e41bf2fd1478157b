"""``publish``, ``sync`` and ``plan`` say that all is well only where every prompt file was read,
compared and is in step; anything else is told with its path, and the exit status says so."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from tests.integration.cli.cli_workspace import CONFIG, NOBODY, CliWorkspace, CommandResult
from tests.integration.cli.repository_engineer import RepositoryEngineer, new_file, path, publishing

REPLY = "support/reply"
ALL_IS_WELL = "PromptLayer has everything that is merged.\n"
LFS = b"version https://lfs.example.com/spec/v1\noid sha256:%s\nsize 300\n" % (b"a" * 64)


@pytest.fixture
def engineer(workspace: CliWorkspace) -> RepositoryEngineer:
    """One prompt whose file is as PromptLayer has it."""
    made = publishing(workspace)
    workspace.save(REPLY)
    made.take_files(REPLY)
    return made


def texts(workspace: CliWorkspace, name: str = REPLY) -> list[str]:
    versions = workspace.registry.find_entry(name).versions
    return [version.template["messages"][0]["content"][0]["text"] for version in versions]


def told(said: CommandResult) -> dict[str, str]:
    """Path → what happens to it."""
    return {line["path"]: line["action"] for line in said.json["files"]}


FORMATTED: dict[str, Callable[[str], str]] = {
    "a comment behind the label": lambda t: t.replace("label: latest", "label: latest # keep"),
    "quotes": lambda t: t.replace("label: latest", 'label: "latest"').replace("id: 1", "'id': 1"),
    "another order": lambda t: "".join(
        [*(lines := t.splitlines(True))[:1], lines[4], lines[3], lines[2], lines[1], *lines[5:]]
    ),
    "an anchor": lambda t: t.replace("label: latest", "label: &l latest"),
    "windows line ends": lambda t: t.replace("\n", "\r\n"),
    "a byte order mark": lambda t: "\ufeff" + t,
    "flow style": lambda t: json.dumps(
        json.loads(render_prompt_file(parse_prompt_file(t, path="p"), "json"))
    ),
}


@pytest.mark.parametrize("how", FORMATTED)
def test_a_file_that_was_formatted_is_in_step_and_its_edits_are_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer, how: str
) -> None:
    formatted = FORMATTED[how](engineer.read_file(REPLY))
    assert formatted != engineer.read_file(REPLY)
    engineer.merge_files({path(REPLY): formatted.encode()})

    assert (workspace.run("publish").out, workspace.run("plan").status) == (ALL_IS_WELL, 0)
    engineer.merge_files({path(REPLY): formatted.replace("Be kind", "Be brief").encode()})
    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (0, {path(REPLY): "published"})
    assert texts(workspace) == ["Be kind.", "Be brief."]


@pytest.mark.parametrize("indent", [None, 4, "\t"])
def test_json_that_a_formatter_indented_is_in_step_and_new_files_are_seen(
    workspace: CliWorkspace, indent: int | str | None
) -> None:
    engineer = publishing(workspace, '    format: json\n    path: "prompts/{{prompt}}.json"\n')
    workspace.save(REPLY)
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")
    files: dict[str, dict[str, object]] = {
        "prompts/support/reply.json": {"id": 1, "name": REPLY, "label": "latest"},
        "prompts/support/new.json": {"name": "support/new", "label": "latest"},
    }
    for place, head in files.items():
        text = "Be kind." if "id" in head else "Be new."
        messages = [{"role": "system", "content": text}]
        document = {"messages": messages, **head, "kind": "prompt/v1"}
        engineer.merge_files({place: json.dumps(document, indent=indent).encode()})

    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (0, {"prompts/support/new.json": "created"})
    assert texts(workspace) == ["Be kind."]


def test_a_prompt_file_in_the_other_format_is_read_all_the_same(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    document = {"kind": "prompt/v1", "name": "support/new", "label": "latest"}
    messages = [{"role": "system", "content": "Be new."}]
    text = json.dumps({**document, "messages": messages})
    engineer.merge_files({"prompts/odd.json": text.encode()})

    first = workspace.run("publish", "--json")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")

    assert told(first) == {"prompts/odd.json": "created"}
    assert workspace.run("publish").out == ALL_IS_WELL


NOBODYS: dict[str, tuple[str, bytes, str]] = {
    "a label that is not tracked": (
        "prompts/prod/a.yaml",
        new_file("support/a").replace(b"label: latest", b"label: prod\nid: 1"),
        "mapping support does not track label 'prod' (it tracks latest)",
    ),
    "a new file of a label that is not tracked": (
        "prompts/prod/a.yaml",
        new_file("support/a").replace(b"label: latest", b"label: prod"),
        "mapping support does not track label 'prod' (it tracks latest)",
    ),
    "a name that the mapping does not follow": (
        path("sales/pitch"),
        new_file("sales/pitch"),
        "mapping support does not follow prompts named 'sales/pitch'",
    ),
}


@pytest.mark.parametrize("what", NOBODYS)
def test_a_file_that_nobody_follows_is_told_with_its_path(
    workspace: CliWorkspace, engineer: RepositoryEngineer, what: str
) -> None:
    place, text, reason = NOBODYS[what]
    engineer.merge_files({place: text})

    published, dry = workspace.run("publish"), workspace.run("publish", "--dry-run")
    synced, planned = workspace.run("sync"), workspace.run("plan", "--json")

    assert (published.status, published.out) == (1, f"orphan     {place}: {reason}\n")
    assert (dry.status, dry.out) == (1, published.out)
    assert synced.status == 1
    assert f"parked: {place}: {reason}" in synced.out
    assert planned.status == 2
    (row,) = planned.json["out_of_step"]
    assert (row["path"], row["action"]) == (place, f"nothing: {reason}")


def test_a_new_file_of_a_prompt_in_a_folder_that_is_not_followed_is_told(
    workspace: CliWorkspace,
) -> None:
    engineer = publishing(workspace, "    folder: Team\n")
    workspace.save(REPLY)
    engineer.write_new_file(REPLY)

    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (1, {path(REPLY): "orphan"})
    assert "PromptLayer's prompt 1 has this name" in said.json["files"][0]["reason"]


def test_a_file_that_another_mapping_follows_is_not_told(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    prod = CONFIG[CONFIG.index("  - name") :].replace("name: support", "name: prod")
    more = f"{prod}    track: [prod]\n"
    workspace.configure(f"{CONFIG}    publish: true\n{more}")
    workspace.registry.move_label(1, "prod", 1)
    text = engineer.read_file(REPLY).replace("label: latest", "label: prod")
    engineer.merge_files({"prompts/prod/support/reply.yaml": text.encode()})

    assert (workspace.run("publish").out, workspace.run("sync").status) == (ALL_IS_WELL, 0)


def test_a_file_of_a_prompt_that_is_gone_is_told_with_its_path(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save("support/other")
    engineer.take_files(REPLY, "support/other")
    workspace.registry.delete(1)

    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (1, {path(REPLY): "gone"})
    assert said.json["files"][0]["reason"].startswith("deleted in PromptLayer")


def test_an_edited_file_of_a_prompt_that_is_gone_is_not_said_to_be_in_promptlayer(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save("support/other")
    engineer.take_files(REPLY, "support/other")
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    workspace.registry.delete(1)

    said = workspace.run("publish")

    assert said.status in (1, 3)
    assert path(REPLY) in said.out


def test_what_promptlayer_has_newer_is_told_and_nothing_fails(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save(REPLY, "Be thorough.")

    said = workspace.run("publish")

    assert said.status == 0
    assert said.out == f"behind     {path(REPLY)}: version 2 in PromptLayer\n"


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "a list that is not closed": (lambda t: t.replace("messages:", "messages: ["), ":7: not valid"),
    "marks of a merge": (lambda t: f"<<<<<<< ours\n{t}=======\n>>>>>>> theirs\n", ":2: not valid"),
    "a quote": (lambda t: t.replace("label: latest", "label: 'latest"), ":"),
    "no kind": (lambda t: t.replace("kind: prompt/v1\n", ""), ":1: kind: expected a value"),
    "a pointer of Git LFS": (lambda _: LFS.decode(), ":1: expected a prompt file, got a pointer"),
}


@pytest.mark.parametrize("publishes", [True, False])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_told_with_its_line_and_is_not_taken_for_one_that_is_gone(
    workspace: CliWorkspace, what: str, publishes: bool
) -> None:
    engineer = publishing(workspace) if publishes else RepositoryEngineer(workspace)
    workspace.save(REPLY)
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")
    breaks, said = BROKEN[what]
    engineer.merge_files({path(REPLY): breaks(engineer.read_file(REPLY)).encode()})

    synced, planned = workspace.run("sync"), workspace.run("plan")
    rows = workspace.run("plan", "--json").json["out_of_step"]
    (row,) = rows

    assert (row["prompt"], row["label"], row["path"]) == (REPLY, "latest", path(REPLY))
    at_fault = "a mistake in the file" if publishes else row["standing"]
    assert row["standing"] == at_fault
    assert f"{row['standing']} {row['action']}".count(f"{path(REPLY)}{said}") == 1
    assert synced.status == 1
    assert f"{path(REPLY)}{said}" in synced.out
    assert "taken back" not in synced.out
    assert f"{path(REPLY)}{said}" in "".join(planned.out.split("\n")) or planned.status == 2
    assert "taken back" not in planned.out
    if publishes:
        published = workspace.run("publish")
        assert published.status == 1
        assert f"{path(REPLY)}{said}" in published.out
        assert not workspace.forge.list_open_pull_requests("promptlayer/")


@pytest.mark.parametrize("what", ["a list that is not closed", "marks of a merge", "a quote"])
def test_a_broken_file_that_was_moved_is_told_and_no_second_one_is_proposed(
    workspace: CliWorkspace, engineer: RepositoryEngineer, what: str
) -> None:
    breaks, _ = BROKEN[what]
    moved = "prompts/elsewhere/mine.yaml"
    engineer.merge_files({path(REPLY): None, moved: breaks(engineer.read_file(REPLY)).encode()})

    synced, published = workspace.run("sync"), workspace.run("publish")

    assert (synced.status, published.status) == (1, 1)
    assert f"{moved}:" in synced.out
    assert f"{moved}:" in published.out
    assert not workspace.forge.list_open_pull_requests("promptlayer/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            new_file("support/new").replace(b"prompt/v1", b"promt/v1"),
            ":1: kind: expected one of 'p",
        ),
        (new_file("support/new")[16:], ":1: kind: expected a value, got none"),
        (b"knd: x\nmessages: [\n", ":3: not valid YAML"),
    ],
)
def test_a_file_where_a_new_prompt_would_be_that_does_not_say_it_is_one_is_told(
    workspace: CliWorkspace, engineer: RepositoryEngineer, text: bytes, said: str
) -> None:
    engineer.merge_files({path("support/new"): text, "elsewhere/new.yaml": text})

    published = workspace.run("publish")

    assert published.status == 1
    (line,) = published.out.splitlines()
    assert line.startswith(f"mistake    {path('support/new')}{said}")


def test_other_files_in_the_folder_are_nobodys_business(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files({path("values"): b"replicas: 1\n", "prompts/notes.json": b"[1, 2]"})

    assert workspace.run("publish").out == ALL_IS_WELL


def test_a_pointer_of_git_lfs_where_a_new_prompt_would_be_is_told(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files({path("support/new"): LFS, "assets/picture.json": LFS})

    said = workspace.run("publish")

    assert said.status == 1
    (line,) = said.out.splitlines()
    assert line.startswith(
        f"mistake    {path('support/new')}:1: expected a prompt file, got a poin"
    )


# A repository that was there first.


@pytest.mark.parametrize("label", ["latest", "prod"])
def test_prompts_are_made_in_an_empty_workspace(workspace: CliWorkspace, label: str) -> None:
    engineer = publishing(workspace, f"    track: [{label}]\n")
    text = new_file("support/new").replace(b"label: latest", b"label: " + label.encode())
    engineer.merge_files({f"prompts/{label}/support/new.yaml": text})

    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (0, {f"prompts/{label}/support/new.yaml": "created"})
    assert texts(workspace, "support/new") == ["Be new."]


def test_sync_makes_prompts_in_an_empty_workspace(workspace: CliWorkspace) -> None:
    publishing(workspace).write_new_file("support/new")

    assert workspace.run("plan", "--json").json["out_of_step"][0]["action"] == "make a prompt of it"
    assert workspace.run("sync").status == 0
    assert texts(workspace, "support/new") == ["Be new."]


def test_a_prompt_is_made_where_nothing_carries_the_tracked_label_any_more(
    workspace: CliWorkspace,
) -> None:
    engineer = publishing(workspace, "    track: [prod]\n")
    workspace.save("support/other")
    text = new_file("support/new").replace(b"label: latest", b"label: prod")
    engineer.merge_files({"prompts/prod/support/new.yaml": text})

    assert workspace.run("publish").status == 0
    assert workspace.registry.find_entry("support/new").labels["prod"].version == 1


@pytest.mark.parametrize("command", ["publish", "sync", "plan"])
def test_files_with_ids_of_prompts_that_nobody_shows_hint_at_a_wrong_key(
    workspace: CliWorkspace, command: str
) -> None:
    engineer = publishing(workspace)
    engineer.merge_files({path("support/a"): new_file("support/a") + b"id: 7\n"})
    engineer.write_new_file("support/b")

    said = workspace.run(command)

    assert (said.status, said.out) == (1, "")
    assert (
        f"ids 1 files of mapping support in acme/support-bot carry, such as {path('support/a')}"
        in said.err.replace("local:", "")
    )
    assert "(id 7). Check that the API key belongs to the right workspace." in said.err
    assert workspace.registry.entries == {}


def test_a_label_that_was_removed_everywhere_is_no_wrong_key(workspace: CliWorkspace) -> None:
    publishing(workspace, "    track: [prod]\n")
    workspace.save(REPLY, labels=["prod"])
    workspace.run("sync")
    (pull,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(pull.number)
    workspace.run("sync")
    workspace.registry.delete_label(1, "prod")

    said = workspace.run("publish", "--json")

    assert (said.status, told(said)) == (1, {"prompts/prod/support/reply.yaml": "gone"})
    assert "label prod was removed" in said.json["files"][0]["reason"]


# What no version carries


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: support/reply", "name: support/mine", "`name` is 'support/mine' here and 'support/r"),
        ("version: 1\n", "version: 1\ntags: [a, b]\n", "`tags` are [a, b] here and [] in PromptLayer"),
    ],
)  # fmt: skip
def test_an_edit_of_what_cannot_be_published_is_told(
    workspace: CliWorkspace, engineer: RepositoryEngineer, old: str, new: str, said: str
) -> None:
    engineer.edit_file(REPLY, old, new)

    published, synced, planned = (
        workspace.run("publish"),
        workspace.run("sync"),
        workspace.run("plan", "--json"),
    )

    assert (published.status, synced.status, planned.status) == (1, 1, 2)
    assert f"mistake    {path(REPLY)}: {said}" in published.out
    assert f"{path(REPLY)}: {said}" in synced.out
    assert said in json.dumps(planned.json)


def test_tags_beside_an_edit_are_told_with_the_version_that_is_made(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    text = (
        engineer.read_file(REPLY)
        .replace("Be kind", "Be brief")
        .replace("version: 1", "version: 1\ntags: [a]")
    )
    engineer.merge_files({path(REPLY): text.encode()})

    said = workspace.run("publish")

    assert "is version 2 of support/reply (`tags` are [a] here and [] in PromptLayer" in said.out
    assert texts(workspace) == ["Be kind.", "Be brief."]


def test_tags_that_somebody_set_in_promptlayer_are_no_edit(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace)
    workspace.save(REPLY)
    engineer.take_files(REPLY)
    workspace.registry.find_entry(REPLY).tags = ("new",)

    assert workspace.run("publish").status == 0


# What git stores, and what a checkout shows


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("prompts/** filter=lfs diff=lfs merge=lfs -text", "filter=lfs"),
        ("*.yaml working-tree-encoding=UTF-16", "working-tree-encoding=UTF-16"),
        ("[attr]secret filter=git-crypt\n*.yaml secret", "filter=git-crypt"),
    ],
)
def test_an_attribute_that_changes_files_on_their_way_is_told_by_name(
    workspace: CliWorkspace, engineer: RepositoryEngineer, attribute: str, words: str
) -> None:
    engineer.merge_files({".gitattributes": attribute.encode() + b"\n"})

    said = [workspace.run(command) for command in ("check", "plan", "sync", "publish")]

    assert [one.status for one in said] == [1, 2, 1, 1]
    for one in said:
        assert f".gitattributes sets {words} for it" in one.out


@pytest.mark.parametrize(
    "attributes",
    ["*.png filter=lfs\n", "*.yaml filter=lfs\nprompts/** -filter\n", "*.yaml text eol=lf\n"],
)
def test_attributes_that_leave_prompt_files_alone_are_fine(
    workspace: CliWorkspace, engineer: RepositoryEngineer, attributes: str
) -> None:
    engineer.merge_files({".gitattributes": attributes.encode()})

    assert workspace.run("check").status == 0
    assert workspace.run("publish").out == ALL_IS_WELL


def test_an_attribute_is_told_before_there_is_any_prompt_file(workspace: CliWorkspace) -> None:
    RepositoryEngineer(workspace).merge_files({"prompts/.gitattributes": b"*.yaml filter=lfs\n"})

    said = workspace.run("check")

    assert said.status == 1
    assert "prompts/example.yaml: .gitattributes sets filter=lfs for it" in said.out


def test_a_pointer_of_git_lfs_is_told_by_check(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.merge_files({path(REPLY): LFS})

    said = workspace.run("check")

    assert said.status == 1
    assert f"{path(REPLY)}:1: expected a prompt file, got a pointer of Git LFS" in said.out


def test_a_mapping_that_follows_nothing_is_told_once_by_each_command(
    workspace: CliWorkspace,
) -> None:
    workspace.save(REPLY)
    workspace.configure(f"{CONFIG}    publish: true\n    track: [prodd]\n")

    for command in ("sync", "status", "publish"):
        said = workspace.run(command)
        assert f"{said.out}{said.err}".count("follows 0 of 1 prompts") == 1, command
        assert "No prompt fits." not in said.out


@pytest.mark.parametrize("command", ["sync", "plan", "publish"])
def test_a_command_that_could_not_reach_promptlayer_says_to_run_it_again(
    workspace: CliWorkspace, command: str
) -> None:
    workspace.configure(f"{CONFIG}    publish: true\n", platform=NOBODY)

    said = workspace.run(command)

    assert said.status == 1
    assert said.err.rstrip().endswith("Run the command again.")
    assert "tries again" not in said.err


def test_a_name_that_was_edited_in_a_file_is_not_said_to_be_renamed_in_promptlayer(
    workspace: CliWorkspace,
) -> None:
    engineer = publishing(workspace)
    workspace.save(REPLY)
    engineer.take_files(REPLY)
    engineer.edit_file(REPLY, f"name: {REPLY}", "name: support/other")

    planned = workspace.run("plan", "--json")
    workspace.run("sync")

    reason = f"the file says `name: support/other`, and PromptLayer calls it '{REPLY}'"
    (row,) = planned.json["out_of_step"]
    assert row["standing"] == f"the names differ: {reason}"
    assert row["action"].startswith("open a pull request; skip: ")
    assert row["action"].endswith("change it in PromptLayer.")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    assert opened.title == f"Set the name of {REPLY} in its file"
    assert "was renamed" not in opened.body


def test_a_file_that_was_removed_is_told_with_what_a_person_can_do(
    workspace: CliWorkspace,
) -> None:
    engineer = publishing(workspace)
    workspace.save(REPLY)
    engineer.take_files(REPLY)
    workspace.run("sync")
    engineer.merge_files({path(REPLY): None})
    workspace.run("sync")

    planned, status = workspace.run("plan", "--json"), workspace.run("status", "--json")

    (row,) = planned.json["out_of_step"]
    todo = "delete the prompt in PromptLayer, or restore the file"
    assert (row["prompt"], row["action"]) == (REPLY, "nothing")
    assert row["standing"].endswith(todo)
    assert todo in status.out
