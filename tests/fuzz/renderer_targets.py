"""What the bridge writes about strangers' text: paths, branches, bodies, commit messages, leaks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from bridge.errors import UnsafePathError
from bridge.prompts import paths
from bridge.prompts.planning.three_way_merge import MergeConflict
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.pull_request import markdown
from bridge.prompts.pull_request.body import render_body
from bridge.prompts.pull_request.commit_message import (
    parse_mapping_name,
    parse_trailers,
    render_commit_message,
    render_title,
)
from bridge.prompts.pull_request.metadata import PullRequestMetadata, parse_metadata
from bridge.prompts.pull_request.proposal_summary import (
    ApprovalRequest,
    PromptChange,
    PromptEditor,
    ProposalSummary,
)
from bridge.prompts.secret_scan import find_secrets
from tests.fuzz.fuzz_target import AnyTarget, Target
from tests.fuzz.mutation import text, value
from tests.fuzz.parser_targets import prompt_of
from tests.unit.prompts.body_checks import ACTIVE, assert_sound, tokens

# Paths and branches.

TEMPLATES = (
    paths.DEFAULT_PATH, "{prompt}.json", "p/{id}-{prompt}.yml", "p/{prompt}@{label}.yaml",
    "{mapping}/{label}/{prompt}/prompt.yaml", ".g{prompt}/{id}.yaml", "a/b/x-{prompt}.yaml",
)  # fmt: skip
BRANCHES = (paths.DEFAULT_BRANCH, "{prompt}", "pl/{label}/{prompt}", "pl/{mapping}/{id}-{prompt}")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}


@dataclass(frozen=True)
class Placed:
    template: str
    branch: str
    names: tuple[str, str]
    label: str
    ids: tuple[int, int]


def _placed(random: Random) -> Placed:
    name = text(random)
    other = random.choice(
        (name.upper(), f"{name}.18", unicodedata.normalize("NFD", name), text(random))
    )
    template = random.choice(TEMPLATES) if random.random() < 0.8 else text(random) + "{prompt}.yaml"
    return Placed(
        template,
        random.choice(BRANCHES) if random.random() < 0.8 else text(random) + "{id}",
        (name, other),
        text(random),
        (random.randint(1, 10**6), random.randint(10**6 + 1, 10**12)),
    )


def _every_name_has_a_safe_place(one: Placed) -> None:
    try:
        paths.check_path_template(one.template)
    except ValueError:
        return
    found = [_path(one, at) for at in (0, 1)]
    for path in filter(None, found):
        _stays_in_its_folder(path, paths.find_static_prefix(one.template))
    first, second = (path and _as_any_file_system(path) for path in found)
    if first and second and one.names[0] != one.names[1]:
        assert first != second, "two prompts share a file"
        assert not first.startswith(f"{second}/")
        assert not second.startswith(f"{first}/")


def _path(one: Placed, at: int) -> str | None:
    try:
        return paths.build_file_path(
            one.template, prompt=one.names[at], label=one.label, mapping="m", id=one.ids[at]
        )
    except UnsafePathError as refusal:
        str(refusal).encode()
        return None


def _stays_in_its_folder(path: str, folder: str) -> None:
    assert path.startswith(folder)
    assert len(path.encode()) <= paths.MAX_PATH_BYTES
    assert path.endswith(paths.EXTENSIONS)
    assert not re.search(
        r"[\x00-\x1f\x7f-\x9f\\:*?\"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]", path
    )
    for segment in path.split("/"):
        assert segment not in ("", ".", "..")
        assert not segment.startswith("-")
        assert not segment.endswith((".", " "))
        plain = unicodedata.normalize("NFKC", segment).casefold()
        assert plain not in (".git", ".gitmodules", ".gitattributes", ".gitignore")
        assert not re.fullmatch(r"git~[0-9]+", plain)
        assert plain.split(".")[0] not in _DEVICES


def _as_any_file_system(path: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFC", path).casefold())


def _git_takes_the_branch(one: Placed) -> None:
    try:
        paths.check_branch_template(one.branch)
    except ValueError:
        return
    made = [_branch(one, at) for at in (0, 1)]
    for branch in filter(None, made):
        assert _is_a_branch(branch), branch
    if made[0] and made[1]:
        assert not made[0].startswith(f"{made[1]}/")
        assert made[0] != made[1]


def _branch(one: Placed, at: int) -> str | None:
    try:
        return paths.build_branch_name(
            one.branch, prompt=one.names[at], label=one.label, mapping="m", id=one.ids[at]
        )
    except UnsafePathError:
        return None


def _is_a_branch(name: str) -> bool:
    """The rules of git-check-ref-format(1), one after the other."""
    parts = name.split("/")
    return (
        all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
        and ".." not in name
        and not any(ord(c) < 0x20 or ord(c) == 0x7F or c in " ~^:?*[\\" for c in name)
        and not name.endswith(".")
        and "@{" not in name
        and name != "@"
        and not name.startswith("-")
    )


# Bodies and commit messages.


LINK = "https://dashboard.example.com/workspace/42/prompt/17?version=9"


@lru_cache(maxsize=1000)
def _any_prompt(number: int) -> Prompt:
    return prompt_of(Random(number))


def _prompt(random: Random) -> Prompt:
    made = _any_prompt(random.randrange(1000))
    if random.random() < 0.7:
        contents = [[{"type": "text", "text": text(random)}] for _ in range(random.randrange(3))]
        role = random.choice(("user", text(random)))
        messages = [{"role": role, "content": content} for content in contents]
        made = replace(made, template={"type": "chat", "messages": messages})
    why = random.choice((None, text(random)))
    return replace(made, name=text(random), commit_message=why, version=random.choice((None, 1, 9)))


def _change(random: Random) -> PromptChange:
    one, other = _prompt(random), _prompt(random)
    sides = ((one, other), (one, other), (None, other), (one, None))
    before, after = random.choice(sides)
    conflicts = tuple(
        MergeConflict(text(random), *(value(random, 1) for _ in range(3)))
        for _ in range(random.randrange(3))
    )
    names = tuple(text(random) for _ in range(random.randrange(4)))
    return PromptChange(
        path=text(random),
        old_path=random.choice((None, text(random))),
        label=random.choice((LATEST, "prod", text(random))),
        before=before,
        after=after,
        link=random.choice((None, LINK, "javascript:alert(1)")),  # ours, from the configuration
        uses=names,
        used_by=names,
        reason=random.choice((None, text(random))),
        is_overwriting=random.random() < 0.3,
        is_merge=random.random() < 0.3,
        conflicts=conflicts if random.random() < 0.3 else (),
    )


def _story(random: Random) -> ProposalSummary:
    editors = tuple(
        PromptEditor(
            text(random),
            random.choice((None, "bob@example.com", text(random))),
            random.choice((None, text(random))),
        )
        for _ in range(random.randrange(4))
    )
    request = None
    if random.random() < 0.2:
        request = ApprovalRequest(
            text(random), random.choice(("move", "deletion")), text(random), text(random)
        )
    changes = tuple(_change(random) for _ in range(random.choice((1, 1, 1, 1, 1, 2))))
    return ProposalSummary(
        text(random), changes, editors, request, "Merging writes this to `main`."
    )


@dataclass(frozen=True)
class Told:
    summary: ProposalSummary
    limit: int


def _told(random: Random) -> Told:
    return Told(_story(random), random.choice((65_536, 65_536, 65_536, 12_000, 900)))


def _a_body_is_sound(one: Told) -> None:
    metadata = PullRequestMetadata("p", "r")
    told = render_body(one.summary, one.limit, metadata.render_hidden_line())
    assert_sound(
        told, one.limit, metadata.render_hidden_line(), links=lambda address: address == LINK
    )
    assert parse_metadata(told) == metadata
    told.encode()


_OURS = re.compile(
    r"PromptLayer-(?:Prompt|Version): [0-9]+|PromptLayer-Label: [^\n]+|PromptLayer-Mapping: [^\n]+"
    r"|Co-authored-by: [^\n<>]+ <[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+>"
)


def _a_commit_message_says_only_ours(summary: ProposalSummary) -> None:
    line, message = render_title(summary), render_commit_message(summary)
    message.encode()
    assert len(line) <= 72
    assert "\n" not in line
    assert message.startswith(f"{line}\n\n")
    assert not ACTIVE.search(re.sub(r"(?m)^Co-authored-by: .*$", "", message))
    _, listing, ours = message.rstrip("\n").split("\n\n")
    assert all(each.startswith("- ") for each in listing.split("\n"))
    assert all(_OURS.fullmatch(each) for each in ours.split("\n"))
    expected = [
        (change.prompt.id, change.after.version if change.after else None, change.label)
        for change in summary.changes
        if change.prompt.id is not None
    ]
    assert parse_trailers(message) == expected
    assert parse_mapping_name(message) == summary.mapping


# The escapes that all of it rests on.


def _an_escape_holds(written: str) -> None:
    """Each way of writing a stranger's text shows it in a shape of its own and does nothing."""
    line, span = markdown.escape_prose(written), markdown.format_code_span(written)
    cell, summary = markdown.format_table_cell(written), markdown.escape_html_text(written)
    block = markdown.format_code_block(written, "diff")
    for each in (line, span, cell, summary, block):
        assert not ACTIVE.search(each)
        assert "<!--" not in each
        each.encode()
    assert not any("\n" in each for each in (line, span, cell, summary))
    assert not set(summary) & set("<>\"'")
    table = f"| | |\n|---|---|\n| {cell} | {cell} |\n\n"
    kinds = [token.type for token in tokens(f"{line}\n\n{table}{block}\n\nafter")]
    assert kinds.count("td_open") == 2 * kinds.count("table_open") == 2
    assert kinds.count("fence") == kinds.count("code_inline") - 1 == 1
    assert set(kinds) <= _HARMLESS, set(kinds) - _HARMLESS


_HARMLESS = {
    *("inline", "text", "text_special", "softbreak", "code_inline", "fence"),
    *(f"{tag}_{end}" for tag in ("paragraph", "table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")),
}  # fmt: skip


# Secrets in prompts.

_KEYS = (
    "ghp_" + "aB3" * 12,
    "sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
    "AKIA" + "Q7R2" * 4,
    "hunter2Hunter2X9",
)


@dataclass(frozen=True)
class Leaky:
    prompt: Prompt
    key: str


def _leaky(random: Random) -> Leaky:
    made, key = _prompt(random), random.choice(_KEYS)
    words = (
        "password: {}",
        "token={}",
        "Authorization: Bearer {}",
        "{}",
        "https://u:{}@h/",
        "'key': '{}'",
    )
    said = text(random) + random.choice(words).format(key) + text(random)
    return Leaky(replace(made, commit_message=said), key)


def _a_leak_is_never_told(one: Leaky) -> None:
    for leak in find_secrets(one.prompt):
        assert one.key not in str(leak)
        str(leak).encode()


TARGETS: tuple[AnyTarget, ...] = (
    Target("path", _placed, _every_name_has_a_safe_place),
    Target("branch", _placed, _git_takes_the_branch),
    Target("body", _told, _a_body_is_sound),
    Target("escapes", text, _an_escape_holds),
    Target("commit_message", _story, _a_commit_message_says_only_ours),
    Target("secrets", _leaky, _a_leak_is_never_told),
)
