from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import UnsafePathError
from bridge.prompts import paths

HOSTILE = [
    "../../.github/workflows/x",
    "/etc/passwd",
    "C:\\Windows\\x",
    ".git/config",
    ".GIT/hooks/pre-push",
    "git~1/config",
    "a/../b",
    "a//b",
    "nul\x00byte",
    "two\nlines",
    "n" * 512,
    "a/" * 256,
    "ü" * 512,
    "CON",
    "con",
    "aux.txt",
    "aux/reply",
    "com¹",
    "-rf",
    "folder/-rf",
    "reply.lock",
    "@{-1}",
    "HEAD",
    "reply.",
    "reply ",
    "reply.17",
    "{label}",
    "\u202egnp.exe",
    "\ud800",
    "",
    "...",
    "日本語/挨拶",
    "a..b",
]

names = st.one_of(
    st.text(max_size=600),
    st.sampled_from(HOSTILE),
    st.text(alphabet="aAäÄ\u0308./-_1\\ \x00", max_size=12),
    st.from_regex(r"[a-z0-9_/.-]{1,20}", fullmatch=True),
)
ids = st.integers(1, 10**12)


def path_of(
    name: str, id: int = 17, label: str = "prod", template: str = paths.DEFAULT_PATH
) -> str:
    return paths.build_file_path(template, prompt=name, label=label, mapping="support", id=id)


def branch_of(
    name: str, id: int = 17, label: str = "prod", template: str = paths.DEFAULT_BRANCH
) -> str:
    return paths.build_branch_name(template, prompt=name, label=label, mapping="support", id=id)


@pytest.mark.parametrize(
    "name", ["reply", "support/reply", "support/v2/reply-all", "_draft", "reply_v1.2b", "a.md"]
)
def test_a_plain_name_is_its_own_path(name: str) -> None:
    assert path_of(name) == f"prompts/prod/{name}.yaml"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Support/Reply", "support/reply.17"),
        ("Réponse n°1!", "réponse-n-1.17"),
        ("Re\u0301ponse", "réponse.17"),
        ("日本語/挨拶", "日本語/挨拶.17"),
        ("../../.github/workflows/x", "github/workflows/x.17"),
        ("/etc/passwd", "etc/passwd.17"),
        ("reply.18", "reply-18.17"),
        ("CON", "con_.17"),
        ("aux/reply", "aux_/reply.17"),
        ("-rf", "rf.17"),
        ("v1.2", "v1-2.17"),
        ("", "prompt.17"),
        ("../..", "prompt.17"),
        ("{label}", "label.17"),
    ],
)
def test_any_other_name_becomes_a_slug_with_its_id(name: str, expected: str) -> None:
    assert path_of(name) == f"prompts/prod/{expected}.yaml"


def as_a_file_system_sees_it(path: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFC", path).casefold())


@settings(max_examples=400, deadline=None)
@given(names, ids)
def test_every_name_has_a_safe_path_inside_the_mapping_s_folder(name: str, id: int) -> None:
    path = path_of(name, id)

    assert path.startswith("prompts/prod/")
    assert len(path.encode()) <= paths.MAX_PATH_BYTES
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\:]", path)
    for segment in path.split("/"):
        assert segment not in ("", ".", "..")
        assert not segment.startswith(("-", "."))
        assert not segment.endswith((".", " "))
        assert "git~" not in segment
        assert segment.split(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@settings(max_examples=400, deadline=None)
@given(names, names, ids, ids, st.sampled_from(["{prompt}.yaml", "{prompt}/prompt.yaml"]))
def test_two_prompts_never_share_a_path(
    one: str, other: str, one_id: int, other_id: int, template: str
) -> None:
    if one == other or one_id == other_id:
        return
    first = as_a_file_system_sees_it(path_of(one, one_id, template=template))
    second = as_a_file_system_sees_it(path_of(other, other_id, template=template))

    assert first != second
    assert not first.startswith(f"{second}/")
    assert not second.startswith(f"{first}/")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("reply", "Reply"),
        ("é", "e\u0301"),
        ("straße", "strasse"),
        ("reply.18", "Reply!"),
        ("reply", "reply "),
        ("a/b", "A/b"),
        ("a", "a.yaml/b"),
        ("ﬁ", "fi"),
    ],
)
def test_names_that_look_alike_keep_apart(one: str, other: str) -> None:
    assert as_a_file_system_sees_it(path_of(one, 17)) != as_a_file_system_sees_it(
        path_of(other, 18)
    )


def test_a_file_is_never_where_another_prompt_s_folder_is() -> None:
    template = "{prompt}/prompt.yaml"

    assert path_of("a", template=template) == "a/prompt.yaml"
    assert path_of("a/prompt.yaml", template=template) == "a/prompt-yaml.17/prompt.yaml"


@settings(max_examples=300, deadline=None)
@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_labels_never_share_a_folder(labels: list[str]) -> None:
    first, second = (as_a_file_system_sees_it(path_of("reply", label=label)) for label in labels)

    assert first != second


def test_a_label_that_is_not_plain_gets_a_short_hash() -> None:
    assert re.fullmatch(
        r"prompts/prod-eu\.[0-9a-f]{8}/reply\.yaml", path_of("reply", label="Prod EU")
    )


def test_a_path_over_the_limit_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsafePathError, match=r"longer than 240 bytes.*mapping's `path`"):
        path_of("a" * 150, template=f"{'x' * 100}/{{prompt}}.yaml")


def test_a_name_that_completes_a_forbidden_word_is_refused() -> None:
    with pytest.raises(UnsafePathError, match="git's own folder"):
        path_of("it", template=".g{prompt}/{id}.yaml")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("prompts/{name}.yaml", "no field {name}"),
        ("prompts/{prompt!r}.yaml", "no field"),
        ("prompts/{prompt.yaml", "brace"),
        ("prompts/{label}.yaml", "needs {prompt} or {id}"),
        ("prompts/{prompt}/{prompt}.yaml", "twice"),
        ("prompts/{prompt}", "must end in .yaml"),
        ("prompts/{prompt}.txt", "must end in"),
        ("/prompts/{prompt}.yaml", "absolute"),
        ("../{prompt}.yaml", "'..'"),
        ("prompts//{prompt}.yaml", "empty"),
        (".git/{prompt}.yaml", "git's own"),
        ("x/.GIT/{prompt}.yaml", "git's own"),
        ("-x/{prompt}.yaml", "starts with '-'"),
        ("x\\{prompt}.yaml", "character"),
        ("x\x85{prompt}.yaml", "character"),
        ("x\u202e{prompt}.yaml", "character"),
        ("x\ud800{prompt}.yaml", "character"),
        ("C:/{prompt}.yaml", "character"),
        ("nul/{prompt}.yaml", "device"),
        ("com¹/{prompt}.yaml", "device"),
        ("x/{label}-{prompt}.yaml", "apart"),
        ("x/{label}{prompt}.yaml", "apart"),
        ("x/{id}{prompt}.yaml", "apart"),
        ("x/{label}-{id}-{prompt}.yaml", "apart"),
    ],
)
def test_a_path_template_that_cannot_work_is_refused_in_words(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        paths.check_path_template(template)


@pytest.mark.parametrize(
    "template",
    [
        paths.DEFAULT_PATH,
        "{prompt}.json",
        "prompts/{id}-{prompt}.yml",
        "prompts/{prompt}@{label}.yaml",
        "{mapping}/{label}/{prompt}/prompt.yaml",
    ],
)
def test_a_path_template_that_works_is_accepted(template: str) -> None:
    paths.check_path_template(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("promptlayer/{mapping}", "needs {prompt} or {id}"),
        ("promptlayer/{id}.lock", "git does not accept"),
        ("promptlayer//{id}", "git does not accept"),
        ("promptlayer/.{id}", "git does not accept"),
        ("-{id}", "git does not accept"),
        ("prompt layer/{id}", "git does not accept"),
        ("x\u202e/{id}", "git does not accept"),
        ("{id}/", "git does not accept"),
        ("refs/heads/{id}", "refs/"),
        ("{branch}/{id}", "no field {branch}"),
    ],
)
def test_a_branch_template_that_cannot_work_is_refused_in_words(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        paths.check_branch_template(template)


def test_a_rolling_branch_serves_its_mapping_only() -> None:
    paths.check_branch_template(paths.DEFAULT_ROLLING_BRANCH, rolling=True)
    with pytest.raises(ValueError, match="whole mapping"):
        paths.check_branch_template(paths.DEFAULT_BRANCH, rolling=True)


def test_the_default_branch_holds_the_id_and_not_the_name() -> None:
    assert branch_of("Support/Reply") == "promptlayer/support/prod/17"


def test_a_name_in_a_branch_is_flat_and_carries_its_id() -> None:
    assert branch_of("support/reply", template="pl/{label}/{prompt}") == "pl/prod/support-reply.17"
    assert branch_of("support/reply", template="pl/{id}-{prompt}") == "pl/17-support-reply"


def test_two_branches_never_stand_in_each_other_s_way() -> None:
    one = branch_of("a", 17, template="pl/{prompt}")
    other = branch_of("a/b", 18, template="pl/{prompt}")

    assert not other.startswith(f"{one}/")


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        (paths.DEFAULT_PATH, "prompts/"),
        ("app/prompts/reply-{prompt}.yaml", "app/prompts/"),
        ("{prompt}.yaml", ""),
    ],
)
def test_the_static_prefix_is_the_folder_that_holds_everything(template: str, prefix: str) -> None:
    assert paths.find_static_prefix(template) == prefix
