"""The rules of names, as far as a machine can hold them: one class name once, a class is a noun with
its qualifier, a public function begins with a verb, a file is named after what is in it."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator

from tests.unit.test_architecture import modules

# Words that say nothing about a thing when a name ends with them, or is nothing but them.
VAGUE_WORDS = frozenset(
    """
    answering asked asking both checking compared comparing copying done editing evaluated
    evaluating everybody everything following found given importing kept known listed listing
    looked made meant needed newcomers nobody nothing opened opening origin others polled
    publishing reading recording reloading running seen shielded sight signed somebody something
    starting survey taken telling told waiting wanted watched watching whole writing
""".split()  # noqa: SIM905 - words read better as words
)

# What a public function may begin with. A new verb is added here, a noun is not.
VERBS = frozenset(
    """
    acquire act add adopt align announce append apply approve assign attach authenticate begin build
    calculate call cancel canonicalise change check choose claim clamp clear close collapse
    collect commit compare compute configure confirm connect convert copy count create cut decide decode
    delete deny describe detach detect diff discard dispatch drop dump duplicate edit enable
    encode end enqueue ensure escape estimate evaluate exclude expand explain export extend extract fetch file
    fill filter find finish flush fold forget format forward generate get group handle hold ignore
    import index init initialise insert install invalidate join judge keep layout lead limit
    list load lock log make mark mask match measure merge migrate move mute neutralise new
    normalise note notify observe open order parse partition patch pause place plan poll
    post postpone prepare preview process propose protect prune publish push put quote raise read
    rebase recalculate receive reconcile record recover recreate redeliver redirect redispatch
    reduce refresh refuse register reject release reload remove rename render reopen repair
    replace reply report request requeue require reserve reset resolve respond restore resume resync
    retry return revert review revoke rewrite rotate run save scan schedule select send serve
    set shorten show sign skip sleep sort split start stop store strip subscribe substitute suggest sum
    subtract sum summarise sweep sync take tell to touch track transform translate trigger trim
    try tune unpark unregister unwrap update upsert use validate verify wait walk warn watch
    withdraw work write yield
""".split()  # noqa: SIM905 - words read better as words
)
# They begin functions that return a bool, or the thing itself: from_event, with_log_context.
QUESTIONS = frozenset(
    (
        "is",
        "has",
        "may",
        "can",
        "should",
        "needs",
        "fits",
        "differs",
        "conflicts",
        "shares",
        "matches",
        "contains",
        "triggers",
        "from",
        "with",
    )
)
GERUNDS = frozenset(("planning", "wiring"))  # the name of an activity as the field has it


def _words(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def _classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for module in modules().values():
        for node in _classes_of(module.tree):
            yield module.name, node


def _public_functions() -> Iterator[tuple[str, str]]:
    """Module and name; what a framework or a command line names is left out, and properties."""
    for module in modules().values():
        owners: list[ast.Module | ast.ClassDef] = [module.tree, *_classes_of(module.tree)]
        for function in (one for owner in owners for one in owner.body):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                decorators = " ".join(ast.unparse(one) for one in function.decorator_list)
                if not function.name.startswith("_") and not _NAMED_ELSEWHERE.search(decorators):
                    yield module.name, function.name


_NAMED_ELSEWHERE = re.compile(r"property|validator|\.command|\.callback|override")


def _classes_of(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _begins_with_a_verb(name: str) -> bool:
    return _words(name)[0] in VERBS | QUESTIONS


def _is_vague(name: str) -> bool:
    words = _words(name)
    return words[-1] in VAGUE_WORDS or (
        len(words) == 1 and words[0].endswith("ing") and name not in GERUNDS
    )


def test_the_rules_see_a_name_that_breaks_them() -> None:
    assert _is_vague("Compared")
    assert _is_vague("telling")
    assert not _is_vague("QueueStatus")
    assert not _begins_with_a_verb("newcomers")
    assert _begins_with_a_verb("find_new_files")


def test_a_class_name_stands_once() -> None:
    names = Counter(node.name for _, node in _classes())

    assert [name for name, count in names.items() if count > 1] == []


def test_a_public_class_is_a_noun_with_its_qualifier() -> None:
    unqualified = {
        f"{module}.{node.name}"
        for module, node in _classes()
        if not node.name.startswith("_")
        and (_is_vague(node.name) or (len(_words(node.name)) == 1 and node.name not in ONE_WORD))
    }

    assert unqualified == set()


# One word that the field has for exactly this.
ONE_WORD = frozenset(
    """
    Agreement Coverage Database Decision Delivery Dispatcher Forge Page Prompt Proposal Push
    Reconciler Target
""".split()  # noqa: SIM905 - words read better as words
)


def test_a_public_function_begins_with_a_verb() -> None:
    others = {
        f"{module}.{name}"
        for module, name in _public_functions()
        if not _begins_with_a_verb(name) and name not in NOUNS
    }

    assert not others


# Names that a library or a protocol of Python's asks for, and the field's own for a factory of one thing.
NOUNS = frozenset(
    (
        "main",
        "span",
        "constant_time_equal",
        "formatMessage",
        "cert_verify",
        "proxy_manager_for",
    )
)


_ERRORS_RAISED = re.compile(
    r"\braises?\s+([A-Z]\w+)(?:(?:,| or| and)\s+([A-Z]\w+))*", re.IGNORECASE
)


def test_a_docstring_names_only_errors_that_exist() -> None:
    known = {node.name for _, node in _classes()} | set(dir(builtins))
    unknown = {
        f"{module.name}: {name}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for found in _ERRORS_RAISED.finditer(ast.get_docstring(node) or "")
        for name in found.groups()
        if name and name[0].isupper() and name not in known
    }

    assert unknown == set()


def test_a_file_is_named_after_what_is_in_it() -> None:
    vague = {name for name in modules() if _is_vague(name.rpartition(".")[2])}

    assert vague == set()
