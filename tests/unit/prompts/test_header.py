"""Whose a prompt file is, however it is written."""

from __future__ import annotations

import json
from random import Random

import pytest
import yaml

from bridge.prompts.canonical_form import canonicalise_metadata, canonicalise_template
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.file_format.source_text import PromptFileFormat
from bridge.prompts.header import PromptFileOwner, read_owner
from bridge.prompts.prompt import Prompt, PromptFile
from tests.unit.prompts.strategies import metadata, template

OWNER = PromptFileOwner(7, "latest", "support/reply")
PLAIN = "kind: prompt/v1\nid: 7\nname: support/reply\nlabel: latest\nmessages: []\n"
BLOCKS = PLAIN.replace("messages: []", "messages:\n  - role: user\n    name: bob\n    id: 9")

WAYS = {
    "as the bridge writes it": BLOCKS,
    "a comment behind the label": PLAIN.replace("label: latest", "label: latest # keep"),
    "comments everywhere": "# a\n" + PLAIN.replace("\n", " # x\n"),
    "single quotes": PLAIN.replace("latest", "'latest'").replace("support/reply", "'support/reply'"),
    "double quotes": PLAIN.replace("prompt/v1", '"prompt\\/v1"').replace("latest", '"lat\\x65st"'),
    "quoted keys": PLAIN.replace("label:", '"label":').replace("id:", "'id':"),
    "another order": "messages: []\nlabel: latest\nname: support/reply\nid: 7\nkind: prompt/v1\n",
    "flow style": "{kind: prompt/v1, messages: [{id: 9}], id: 7, label: latest, name: support/reply}",
    "more blanks": PLAIN.replace(": ", ":    "),
    "indented": "".join(f"   {line}\n" for line in PLAIN.splitlines()),
    "a nested key of the same name first": "metadata: {id: 9, label: x, kind: y}\n" + PLAIN,
    "a text that looks like keys": BLOCKS + "    content: |\n      id: 9\n      label: prod\n",
    "anchors": "metadata: {a: &l latest}\n" + PLAIN.replace("label: latest", "label: *l"),
    "an explicit key": PLAIN.replace("label: latest", "? label\n: latest"),
    "a document's start": "---\n" + PLAIN + "...\n",
    "windows line ends": PLAIN.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + PLAIN,
    "no line end": PLAIN.rstrip(),
}  # fmt: skip

DOCUMENT = yaml.safe_load(BLOCKS)
JSON_WAYS = {
    "compact": json.dumps(DOCUMENT, separators=(",", ":")),
    "two blanks": json.dumps(DOCUMENT, indent=2),
    "four blanks": json.dumps(DOCUMENT, indent=4),
    "tabs": json.dumps(DOCUMENT, indent="\t"),
    "slashes escaped": json.dumps(DOCUMENT).replace("/", "\\/"),
    "keys in another order": json.dumps(DOCUMENT, sort_keys=True, indent=1),
    "windows line ends": json.dumps(DOCUMENT, indent=2).replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + json.dumps(DOCUMENT),
}


@pytest.mark.parametrize("way", WAYS)
def test_how_yaml_is_written_does_not_change_whose_it_is(way: str) -> None:
    assert read_owner(WAYS[way].encode(), "yaml") == OWNER


@pytest.mark.parametrize("way", JSON_WAYS)
def test_how_json_is_written_does_not_change_whose_it_is(way: str) -> None:
    assert read_owner(JSON_WAYS[way].encode(), "json") == OWNER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id: 7\nlabel: latest\n",
        "metadata:\n  kind: prompt/v1\n",
        "- kind: prompt/v1\n",
        "kind: prompt/v2\nid: 7\n",
        "text: |\n  kind: prompt/v1\n",
        "a: 1\n---\nkind: prompt/v1\n",
    ],
)
def test_what_is_no_prompt_file_is_nobodys(text: str) -> None:
    assert read_owner(text.encode(), "yaml") is None


BROKEN = {
    "a list that is not closed": PLAIN.replace("[]", "["),
    "a quote that is not closed": PLAIN.replace("name: support", 'name: "support'),
    "a tab": PLAIN.replace("kind", "metadata:\n\ta: 1\nkind"),
    "marks of a merge": "<<<<<<< ours\n" + PLAIN + "=======\n>>>>>>> theirs\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_still_says_whose_it_seems_to_be(what: str) -> None:
    owner = read_owner(BROKEN[what].encode(), "yaml")

    assert owner is not None
    assert (owner.prompt_id, owner.label) == (7, "latest")


@pytest.mark.parametrize("indent", [None, 2])
def test_broken_json_still_says_whose_it_seems_to_be(indent: int | None) -> None:
    text = json.dumps(DOCUMENT, indent=indent).removesuffix("}")

    owner = read_owner(text.encode(), "json")

    assert owner is not None
    assert (owner.prompt_id, owner.label) == (7, "latest")


def test_a_pointer_of_git_lfs_is_told_from_a_file() -> None:
    pointer = f"version https://lfs.example.com/spec/v1\noid sha256:{'a' * 64}\nsize 12\n"

    assert read_owner(pointer.encode(), "yaml") == PromptFileOwner(None, None, is_marked=False)


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nlabel: latest\nmessages: []\n",
        "kind: prompt/v3\nname: a\nlabel: latest\n",
        "a: [\n",
        "{{ helm }}: {{ x }\n",
    ],
)
def test_a_file_that_may_be_meant_for_one_is_not_marked(text: str) -> None:
    assert read_owner(text.encode(), "yaml") == PromptFileOwner(None, None, is_marked=False)


def test_random_formatting_never_changes_owner_or_meaning() -> None:
    """Comments, quotes, order, flow style, anchors, indentation and line ends."""
    random = Random(9)
    for number in range(150):
        prompt = Prompt(
            f"p/{number}",
            canonicalise_template(template(random)),
            canonicalise_metadata(metadata(random)),
            id=number + 1,
            version=3,
        )
        file = PromptFile(prompt, "prod")
        for text, format in _written(random, file):
            owner = read_owner(text.encode(), format)
            assert owner == PromptFileOwner(number + 1, "prod", f"p/{number}"), text
            assert parse_prompt_file(text.encode(), path="p", format=format) == file, text


def _written(random: Random, file: PromptFile) -> list[tuple[str, PromptFileFormat]]:
    """The file as people, formatters and editors might have it."""
    own = render_prompt_file(file)
    document = json.loads(render_prompt_file(file, "json"))
    keys = list(document)
    random.shuffle(keys)
    shuffled = {key: document[key] for key in keys}
    as_json = json.dumps(shuffled, indent=random.choice([None, 1, 4, "\t"]))
    commented = own.replace("\nlabel: prod\n", "\n# who\nlabel: &it prod   # keep\n")
    anchored = own.replace("\nlabel: prod\n", "\n\"label\": !!str 'prod'\n")
    written: list[tuple[str, PromptFileFormat]] = [
        (commented, "yaml"),
        (anchored, "yaml"),
        (_plain_yaml(random, shuffled), "yaml"),
        (as_json, "json"),
    ]
    return [(_ends(random, text), format) for text, format in written]


def _plain_yaml(random: Random, document: object) -> str:
    """By another writer, which quotes every text, so that no reader takes one for a number."""

    class Quoting(yaml.SafeDumper):
        pass

    Quoting.add_representer(
        str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
    )
    Quoting.add_representer(
        float, lambda dumper, value: dumper.represent_scalar(_FLOAT, _spelled(value))
    )
    indent, flow = random.choice([2, 3, 7]), random.choice([True, False, None])
    dumped = yaml.dump(
        document,
        Dumper=Quoting,
        indent=indent,
        default_flow_style=flow,
        sort_keys=False,
        width=2**20,
    )
    return str(dumped)


_FLOAT = "tag:yaml.org,2002:float"


def _spelled(value: float) -> str:
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _ends(random: Random, text: str) -> str:
    mark = random.choice(["", "\ufeff"])
    return mark + (text.replace("\n", "\r\n") if random.random() < 0.5 else text)
