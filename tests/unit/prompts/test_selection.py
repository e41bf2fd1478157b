"""Which prompts a mapping means."""

from __future__ import annotations

import pytest

from bridge.prompts.glob import check_glob
from bridge.prompts.selection import PromptSelection

NAMES = [
    # patterns, name, meant
    ([], "anything/at/all", True),
    (["support/reply"], "support/reply", True),
    (["support/reply"], "support/reply2", False),
    (["support/reply"], "Support/reply", False),
    (["support/*"], "support/reply", True),
    (["support/*"], "support/", True),
    (["support/*"], "support/a/b", False),
    (["support/*"], "support", False),
    (["*"], "greeting", True),
    (["*"], "support/reply", False),
    (["**"], "support/a/b", True),
    (["**"], "", True),
    (["**"], "two\nlines", True),
    (["support/**"], "support/a/b", True),
    (["support/**"], "supporter/a", False),
    (["**/draft"], "support/a/draft", True),
    (["**/draft"], "draft", True),
    (["**/draft"], "overdraft", False),
    (["a/**/b"], "a/b", True),
    (["a/**/b"], "a/c/d/b", True),
    (["a/**/b"], "a/cb", False),
    (["a**/b"], "ab", False),
    (["repl?"], "reply", True),
    (["repl?"], "repl/", False),
    (["a.b"], "axb", False),
    (["[ab]"], "a", True),
    (["[ab]"], "c", False),
    (["[a-c]x"], "bx", True),
    (["[!a-c]x"], "bx", False),
    (["[!a-c]x"], "dx", True),
    (["a[!b]c"], "a/c", False),
    (["[]]"], "]", True),
    (["[^-]"], "-", False),
    (["{001,002}"], "002", True),
    (["{001,002}"], "003", False),
    (["support/{reply,eu/*}"], "support/eu/x", True),
    (["{a,b{1,2}}x"], "b2x", True),
    (["{**/,}draft"], "a/b/draft", True),
    (["[{]a"], "{a", True),
    (["\\[a\\]"], "[a]", True),
    (["\\{a,b\\}"], "{a,b}", True),
    (["\\*"], "*", True),
    (["\\*"], "x", False),
    (["**", "!{a,b}/*"], "b/x", False),
    (["[ab]"], "[ab]", True),
    (["a", "b*"], "bc", True),
    (["**", "!support/*"], "support/reply", False),
    (["**", "!support/*"], "sales/reply", True),
    (["!support/*", "**"], "support/reply", False),
    (["!support/*"], "support/reply", False),
    (["!support/*"], "sales/reply", True),
]


@pytest.mark.parametrize(("patterns", "name", "meant"), NAMES)
def test_names_are_meant_by_globs(patterns: list[str], name: str, meant: bool) -> None:
    assert PromptSelection(tuple(patterns)).may_match_name(name) is meant


MEANINGLESS = {
    "{001}": "expected {one,another} between the braces",
    "{1..3}": "expected {one,another}",
    "{a,b": "expected { and } in pairs",
    "a,b}": "expected { and } in pairs",
    "[ab": r"expected \[ and \] in pairs",
    "ab]": r"expected \[ and \] in pairs",
    "[z-a]": "expected the range a-z",
    "a\\": "expected a character behind the backslash",
    "{0,1}" * 10: "stands for more than 1,000 patterns",
}


@pytest.mark.parametrize("pattern", MEANINGLESS)
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=MEANINGLESS[pattern]):
        check_glob(pattern)


FOLDERS = [
    # folder of the mapping, folder of the prompt, meant
    ("Care", "Care", True),
    ("Care", "Care/German", True),
    ("Care", "Careless", False),
    ("Care", "Old/Care", False),
    ("Care", None, False),
    ("/Care/", "Care", True),
    ("Care/German", "Care", False),
    ("", None, True),
    ("", "Care", True),
]


@pytest.mark.parametrize(("wanted", "folder", "meant"), FOLDERS)
def test_a_folder_means_all_below_it(wanted: str, folder: str | None, meant: bool) -> None:
    assert PromptSelection(folder=wanted).matches("reply", (), folder) is meant


@pytest.mark.parametrize(
    ("carried", "meant"),
    [(("a", "b"), True), (("b", "c", "a"), True), (("a",), False), ((), False)],
)
def test_a_prompt_has_to_carry_every_tag(carried: tuple[str, ...], meant: bool) -> None:
    assert PromptSelection(tags=("a", "b")).matches("reply", carried, None) is meant


def test_every_condition_that_is_given_has_to_hold() -> None:
    selection = PromptSelection(("support/*",), ("a",), "Care")

    assert selection.matches("support/reply", ("a",), "Care")
    assert not selection.matches("sales/reply", ("a",), "Care")
    assert not selection.matches("support/reply", (), "Care")
    assert not selection.matches("support/reply", ("a",), "Sales")


def test_a_name_may_be_meant_whatever_its_tags_and_folder() -> None:
    assert PromptSelection(("support/*",), ("a",), "Care").may_match_name("support/reply")
