"""``publish``, ``sync`` and ``plan`` say that all is well only where every prompt file was read,
compared and is in step; anything else is told with its path, and the exit status says so."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bridge.prompts.file import parse, render
from tests.integration.cli.desk import CONFIG, Desk, Said
from tests.integration.cli.engineer import Engineer, new_file, path, publishing

REPLY = "support/reply"
ALL_IS_WELL = "PromptLayer has everything that is merged.\n"
LFS = b"version https://lfs.example.com/spec/v1\noid sha256:%s\nsize 300\n" % (b"a" * 64)


@pytest.fixture
def engineer(desk: Desk) -> Engineer:
    """One prompt whose file is as PromptLayer has it."""
    made = publishing(desk)
    desk.save(REPLY)
    made.takes(REPLY)
    return made


def texts(desk: Desk, name: str = REPLY) -> list[str]:
    versions = desk.registry.entry(name).versions
    return [version.template["messages"][0]["content"][0]["text"] for version in versions]


def told(said: Said) -> dict[str, str]:
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
    "flow style": lambda t: json.dumps(json.loads(render(parse(t, path="p"), "json"))),
}


@pytest.mark.parametrize("how", FORMATTED)
def test_a_file_that_was_formatted_is_in_step_and_its_edits_are_published(
    desk: Desk, engineer: Engineer, how: str
) -> None:
    formatted = FORMATTED[how](engineer.reads(REPLY))
    assert formatted != engineer.reads(REPLY)
    engineer.merges({path(REPLY): formatted.encode()})

    assert (desk.run("publish").out, desk.run("plan").status) == (ALL_IS_WELL, 0)
    engineer.merges({path(REPLY): formatted.replace("Be kind", "Be brief").encode()})
    said = desk.run("publish", "--json")

    assert (said.status, told(said)) == (0, {path(REPLY): "published"})
    assert texts(desk) == ["Be kind.", "Be brief."]


@pytest.mark.parametrize("indent", [None, 4, "\t"])
def test_json_that_a_formatter_indented_is_in_step_and_new_files_are_seen(
    desk: Desk, indent: int | str | None
) -> None:
    engineer = publishing(desk, '    format: json\n    path: "prompts/{{prompt}}.json"\n')
    desk.save(REPLY)
    desk.run("sync")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")
    files: dict[str, dict[str, object]] = {
        "prompts/support/reply.json": {"id": 1, "name": REPLY, "label": "latest"},
        "prompts/support/new.json": {"name": "support/new", "label": "latest"},
    }
    for place, head in files.items():
        text = "Be kind." if "id" in head else "Be new."
        messages = [{"role": "system", "content": text}]
        document = {"messages": messages, **head, "kind": "prompt/v1"}
        engineer.merges({place: json.dumps(document, indent=indent).encode()})

    said = desk.run("publish", "--json")

    assert (said.status, told(said)) == (0, {"prompts/support/new.json": "created"})
    assert texts(desk) == ["Be kind."]


def test_a_prompt_file_in_the_other_format_is_read_all_the_same(
    desk: Desk, engineer: Engineer
) -> None:
    document = {"kind": "prompt/v1", "name": "support/new", "label": "latest"}
    messages = [{"role": "system", "content": "Be new."}]
    text = json.dumps({**document, "messages": messages})
    engineer.merges({"prompts/odd.json": text.encode()})

    first = desk.run("publish", "--json")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")

    assert told(first) == {"prompts/odd.json": "created"}
    assert desk.run("publish").out == ALL_IS_WELL


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
    desk: Desk, engineer: Engineer, what: str
) -> None:
    place, text, reason = NOBODYS[what]
    engineer.merges({place: text})

    published, dry = desk.run("publish"), desk.run("publish", "--dry-run")
    synced, planned = desk.run("sync"), desk.run("plan", "--json")

    assert (published.status, published.out) == (1, f"orphan     {place}: {reason}\n")
    assert (dry.status, dry.out) == (1, published.out)
    assert synced.status == 1
    assert f"parked: {place}: {place}: {reason}" in synced.out
    assert planned.status == 2
    (row,) = planned.json["out_of_step"]
    assert (row["path"], row["action"]) == (place, f"nothing: {reason}")


def test_a_new_file_of_a_prompt_in_a_folder_that_is_not_followed_is_told(desk: Desk) -> None:
    engineer = publishing(desk, "    folder: Team\n")
    desk.save(REPLY)
    engineer.writes(REPLY)

    said = desk.run("publish", "--json")

    assert (said.status, told(said)) == (1, {path(REPLY): "orphan"})
    assert "PromptLayer's prompt 1 has this name" in said.json["files"][0]["reason"]


def test_a_file_that_another_mapping_follows_is_not_told(desk: Desk, engineer: Engineer) -> None:
    prod = CONFIG[CONFIG.index("  - name") :].replace("name: support", "name: prod")
    more = f"{prod}    track: [prod]\n"
    desk.configure(f"{CONFIG}    publish: true\n{more}")
    desk.registry.move_label(1, "prod", 1)
    text = engineer.reads(REPLY).replace("label: latest", "label: prod")
    engineer.merges({"prompts/prod/support/reply.yaml": text.encode()})

    assert (desk.run("publish").out, desk.run("sync").status) == (ALL_IS_WELL, 0)


def test_a_file_of_a_prompt_that_is_gone_is_told_with_its_path(
    desk: Desk, engineer: Engineer
) -> None:
    desk.save("support/other")
    engineer.takes(REPLY, "support/other")
    desk.registry.delete(1)

    said = desk.run("publish", "--json")

    assert (said.status, told(said)) == (1, {path(REPLY): "gone"})
    assert said.json["files"][0]["reason"].startswith("deleted in PromptLayer")


def test_an_edited_file_of_a_prompt_that_is_gone_is_not_said_to_be_in_promptlayer(
    desk: Desk, engineer: Engineer
) -> None:
    desk.save("support/other")
    engineer.takes(REPLY, "support/other")
    engineer.edits(REPLY, "Be kind", "Be brief")
    desk.registry.delete(1)

    said = desk.run("publish")

    assert said.status in (1, 3)
    assert path(REPLY) in said.out


def test_what_promptlayer_has_newer_is_told_and_nothing_fails(
    desk: Desk, engineer: Engineer
) -> None:
    desk.save(REPLY, "Be thorough.")

    said = desk.run("publish")

    assert said.status == 0
    assert said.out == f"behind     {path(REPLY)}: version 2 in PromptLayer\n"


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "a list that is not closed": (lambda t: t.replace("messages:", "messages: ["), ":8: not valid"),
    "marks of a merge": (lambda t: f"<<<<<<< ours\n{t}=======\n>>>>>>> theirs\n", ":3: not valid"),
    "a quote": (lambda t: t.replace("label: latest", "label: 'latest"), ":"),
    "no kind": (lambda t: t.replace("kind: prompt/v1\n", ""), ":1: kind: expected a value"),
    "a pointer of Git LFS": (lambda _: LFS.decode(), ":1: expected a prompt file, got a pointer"),
}


@pytest.mark.parametrize("publishes", [True, False])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_told_with_its_line_and_is_not_taken_for_one_that_is_gone(
    desk: Desk, what: str, publishes: bool
) -> None:
    engineer = publishing(desk) if publishes else Engineer(desk)
    desk.save(REPLY)
    desk.run("sync")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")
    breaks, said = BROKEN[what]
    engineer.merges({path(REPLY): breaks(engineer.reads(REPLY)).encode()})

    synced, planned = desk.run("sync"), desk.run("plan")

    assert synced.status == 1
    assert f"{path(REPLY)}{said}" in synced.out
    assert "taken back" not in synced.out
    assert f"{path(REPLY)}{said}" in "".join(planned.out.split("\n")) or planned.status == 2
    assert "taken back" not in planned.out
    if publishes:
        published = desk.run("publish")
        assert published.status == 1
        assert f"{path(REPLY)}{said}" in published.out
        assert not desk.forge.open_pull_requests("promptlayer/")


@pytest.mark.parametrize("what", ["a list that is not closed", "marks of a merge", "a quote"])
def test_a_broken_file_that_was_moved_is_told_and_no_second_one_is_proposed(
    desk: Desk, engineer: Engineer, what: str
) -> None:
    breaks, _ = BROKEN[what]
    moved = "prompts/elsewhere/mine.yaml"
    engineer.merges({path(REPLY): None, moved: breaks(engineer.reads(REPLY)).encode()})

    synced, published = desk.run("sync"), desk.run("publish")

    assert (synced.status, published.status) == (1, 1)
    assert f"{moved}:" in synced.out
    assert f"{moved}:" in published.out
    assert not desk.forge.open_pull_requests("promptlayer/")


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
    desk: Desk, engineer: Engineer, text: bytes, said: str
) -> None:
    engineer.merges({path("support/new"): text, "elsewhere/new.yaml": text})

    published = desk.run("publish")

    assert published.status == 1
    (line,) = published.out.splitlines()
    assert line.startswith(f"mistake    {path('support/new')}{said}")


def test_other_files_in_the_folder_are_nobodys_business(desk: Desk, engineer: Engineer) -> None:
    engineer.merges({path("values"): b"replicas: 1\n", "prompts/notes.json": b"[1, 2]"})

    assert desk.run("publish").out == ALL_IS_WELL


def test_a_pointer_of_git_lfs_where_a_new_prompt_would_be_is_told(
    desk: Desk, engineer: Engineer
) -> None:
    engineer.merges({path("support/new"): LFS, "assets/picture.json": LFS})

    said = desk.run("publish")

    assert said.status == 1
    (line,) = said.out.splitlines()
    assert line.startswith(
        f"mistake    {path('support/new')}:1: expected a prompt file, got a poin"
    )


# A repository that was there first.


@pytest.mark.parametrize("label", ["latest", "prod"])
def test_prompts_are_made_in_an_empty_workspace(desk: Desk, label: str) -> None:
    engineer = publishing(desk, f"    track: [{label}]\n")
    text = new_file("support/new").replace(b"label: latest", b"label: " + label.encode())
    engineer.merges({f"prompts/{label}/support/new.yaml": text})

    said = desk.run("publish", "--json")

    assert (said.status, told(said)) == (0, {f"prompts/{label}/support/new.yaml": "created"})
    assert texts(desk, "support/new") == ["Be new."]


def test_sync_makes_prompts_in_an_empty_workspace(desk: Desk) -> None:
    publishing(desk).writes("support/new")

    assert desk.run("plan", "--json").json["out_of_step"][0]["action"] == "make a prompt of it"
    assert desk.run("sync").status == 0
    assert texts(desk, "support/new") == ["Be new."]


def test_a_prompt_is_made_where_nothing_carries_the_tracked_label_any_more(desk: Desk) -> None:
    engineer = publishing(desk, "    track: [prod]\n")
    desk.save("support/other")
    text = new_file("support/new").replace(b"label: latest", b"label: prod")
    engineer.merges({"prompts/prod/support/new.yaml": text})

    assert desk.run("publish").status == 0
    assert desk.registry.entry("support/new").labels["prod"].version == 1


@pytest.mark.parametrize("command", ["publish", "sync", "plan"])
def test_files_with_ids_of_prompts_that_nobody_shows_hint_at_a_wrong_key(
    desk: Desk, command: str
) -> None:
    engineer = publishing(desk)
    engineer.merges({path("support/a"): new_file("support/a") + b"id: 7\n"})
    engineer.writes("support/b")

    said = desk.run(command)

    assert (said.status, said.out) == (1, "")
    assert (
        f"ids 1 files of mapping support in acme/support-bot carry, such as {path('support/a')}"
        in said.err.replace("local:", "")
    )
    assert "(id 7). Check that the API key belongs to the right workspace." in said.err
    assert desk.registry.entries == {}


def test_a_label_that_was_removed_everywhere_is_no_wrong_key(desk: Desk) -> None:
    engineer = publishing(desk, "    track: [prod]\n")
    desk.save(REPLY, labels=["prod"])
    text = new_file(REPLY).replace(b"label: latest", b"label: prod\nid: 1")
    engineer.merges({"prompts/prod/support/reply.yaml": text})
    desk.registry.delete_label(1, "prod")

    said = desk.run("publish", "--json")

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
    desk: Desk, engineer: Engineer, old: str, new: str, said: str
) -> None:
    engineer.edits(REPLY, old, new)

    published, synced, planned = desk.run("publish"), desk.run("sync"), desk.run("plan")

    assert (published.status, synced.status, planned.status) == (1, 1, 2)
    assert f"mistake    {path(REPLY)}: {said}" in published.out
    assert f"{path(REPLY)}: {said}" in synced.out
    assert said in planned.out


def test_tags_beside_an_edit_are_told_with_the_version_that_is_made(
    desk: Desk, engineer: Engineer
) -> None:
    text = (
        engineer.reads(REPLY)
        .replace("Be kind", "Be brief")
        .replace("version: 1", "version: 1\ntags: [a]")
    )
    engineer.merges({path(REPLY): text.encode()})

    said = desk.run("publish")

    assert "is version 2 of support/reply (`tags` are [a] here and [] in PromptLayer" in said.out
    assert texts(desk) == ["Be kind.", "Be brief."]


def test_tags_that_somebody_set_in_promptlayer_are_no_edit(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save(REPLY)
    engineer.takes(REPLY)
    desk.registry.entry(REPLY).tags = ("new",)

    assert desk.run("publish").status == 0


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
    desk: Desk, engineer: Engineer, attribute: str, words: str
) -> None:
    engineer.merges({".gitattributes": attribute.encode() + b"\n"})

    said = [desk.run(command) for command in ("check", "plan", "sync", "publish")]

    assert [one.status for one in said] == [1, 2, 1, 1]
    for one in said:
        assert f".gitattributes sets {words} for it" in one.out


@pytest.mark.parametrize(
    "attributes",
    ["*.png filter=lfs\n", "*.yaml filter=lfs\nprompts/** -filter\n", "*.yaml text eol=lf\n"],
)
def test_attributes_that_leave_prompt_files_alone_are_fine(
    desk: Desk, engineer: Engineer, attributes: str
) -> None:
    engineer.merges({".gitattributes": attributes.encode()})

    assert desk.run("check").status == 0
    assert desk.run("publish").out == ALL_IS_WELL


def test_an_attribute_is_told_before_there_is_any_prompt_file(desk: Desk) -> None:
    Engineer(desk).merges({"prompts/.gitattributes": b"*.yaml filter=lfs\n"})

    said = desk.run("check")

    assert said.status == 1
    assert "prompts/example.yaml: .gitattributes sets filter=lfs for it" in said.out


def test_a_pointer_of_git_lfs_is_told_by_check(desk: Desk, engineer: Engineer) -> None:
    engineer.merges({path(REPLY): LFS})

    said = desk.run("check")

    assert said.status == 1
    assert f"{path(REPLY)}:1: expected a prompt file, got a pointer of Git LFS" in said.out
