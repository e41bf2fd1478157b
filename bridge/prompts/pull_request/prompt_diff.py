"""Diff two versions of a prompt, in the terms of the person who wrote them: settings as rows of a
table, texts as lines of a diff. Provenance and tags are ignored. Pure.

Nothing in here is escaped: names, values and lines are the prompt's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from typing import Literal

from bridge.prompts.canonical_form import COMPLETION
from bridge.prompts.input_variables import F_STRING, find_input_variables
from bridge.prompts.prompt import Json, JsonObject, Prompt

_LONGEST_IN_A_ROW = 60
_MOST_LINES_COMPARED = 4_000_000  # lines before × lines after
_MOST_MESSAGES_COMPARED = 2_500  # messages before × messages after
_BARE_WORD = re.compile(r"(?!(?:true|false|null)\Z)[A-Za-z][\w.:/-]*")


@dataclass(frozen=True)
class SettingChange:
    """One setting. Nothing before: it is new; nothing after: it is gone."""

    aspect: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class TextChange:
    """One text, message, tool or long setting, as lines of a unified diff."""

    what: str  # "Message 2", "Tool"
    name: str | None  # the role, the tool's name
    change: Literal["added", "removed", "changed"]
    lines: tuple[str, ...]

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.lines)


@dataclass(frozen=True)
class PromptDiff:
    rows: tuple[SettingChange, ...]
    texts: tuple[TextChange, ...]


@dataclass(frozen=True)
class _Message:
    role: str
    text: str
    raw: Json

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Message) and self.role == other.role and _same(self.raw, other.raw)
        )

    def __hash__(self) -> int:
        return hash((self.role, self.text))


def diff_prompts(before: Prompt | None, after: Prompt | None) -> PromptDiff:
    """Diff two versions of a prompt; None is a prompt that does not exist."""
    found: list[SettingChange | TextChange] = [
        *_names(before, after),
        *_models(_metadata(before).get("model"), _metadata(after).get("model")),
        *_settings(_metadata(before), _metadata(after), "metadata ", {"model"}),
        *_settings(before.extra if before else {}, after.extra if after else {}),
        *_templates(before.template if before else {}, after.template if after else {}),
    ]
    return PromptDiff(
        tuple(one for one in found if isinstance(one, SettingChange)),
        tuple(one for one in found if isinstance(one, TextChange)),
    )


def diff_texts(before: str | None, after: str | None) -> tuple[str, ...]:
    """Lines of a unified diff, each with its mark; the header only where lines are left out."""
    old, new = _lines(before, after), _lines(after, before)
    if len(old) * len(new) > _MOST_LINES_COMPARED:
        return (*(f"-{line}" for line in old), *(f"+{line}" for line in new))
    hunks = list(unified_diff(old, new, lineterm=""))[2:]
    starts_at_the_top = hunks and re.match(r"@@ -[01][, ]", hunks[0])
    return tuple(hunks[1:] if starts_at_the_top else hunks)


def _lines(text: str | None, other: str | None) -> list[str]:
    """A line feed at the very end is a line of its own only where the other text has none."""
    if text is None:
        return []
    both_end = text.endswith("\n") and (other is None or other.endswith("\n"))
    return (text[:-1] if both_end else text).split("\n")


def _metadata(prompt: Prompt | None) -> JsonObject:
    return prompt.metadata if prompt else {}


def _names(before: Prompt | None, after: Prompt | None) -> Iterator[SettingChange]:
    if before and after and before.name != after.name:
        yield SettingChange("name", (before.name,), (after.name,))


def _models(before: Json, after: Json) -> Iterator[SettingChange | TextChange]:
    old, new = _object(before), _object(after)
    for aspect, key in (("provider", "provider"), ("model", "name")):
        yield from _setting(aspect, old.get(key), new.get(key))
    yield from _settings(_object(old.get("parameters")), _object(new.get("parameters")))
    yield from _settings(old, new, "model ", {"provider", "name", "parameters"})


def _templates(before: JsonObject, after: JsonObject) -> Iterator[SettingChange | TextChange]:
    asked, asks = find_input_variables(before), find_input_variables(after)
    yield from _members("variables", sorted(asked), sorted(asks))
    yield from _definitions("tools", "Tool", before, after)
    yield from _definitions("functions", "Function", before, after)
    old_format, new_format = _format(before), _format(after)
    if old_format and new_format:
        yield from _setting("template format", old_format, new_format)
    apart = {"messages", "content", "tools", "functions", "template_format", "input_variables"}
    ignored = apart | ({"type"} if not before or not after else set())
    yield from _settings(before, after, "", ignored)
    uniform = bool(old_format and new_format)
    yield from _messages(_texts(before, uniform), _texts(after, uniform))


def _settings(
    before: JsonObject, after: JsonObject, prefix: str = "", ignored: Iterable[str] = ()
) -> Iterator[SettingChange | TextChange]:
    for key in dict.fromkeys([*before, *after]):
        if key not in ignored:
            yield from _setting(f"{prefix}{key}", before.get(key), after.get(key))


def _setting(aspect: str, before: Json, after: Json) -> Iterator[SettingChange | TextChange]:
    if _same(before, after):
        return
    old, new = _spelled(before), _spelled(after)
    if all(len(text) <= _LONGEST_IN_A_ROW for text in (*old, *new)):
        yield SettingChange(aspect, old, new)
    else:
        yield _text_change("Setting", aspect, _pretty(before), _pretty(after))


def _members(aspect: str, before: list[str], after: list[str]) -> Iterator[SettingChange]:
    """List added and removed members; those that stay are left out."""
    stay = set(before) & set(after)
    gone = tuple(name for name in before if name not in stay)
    new = tuple(name for name in after if name not in stay)
    if gone:
        yield SettingChange(f"{aspect} removed", gone, ())
    if new:
        yield SettingChange(f"{aspect} added" if before else aspect, (), new)


def _definitions(
    key: str, what: str, before: JsonObject, after: JsonObject
) -> Iterator[SettingChange | TextChange]:
    """Tools or functions: who came and went as rows, each definition as a diff."""
    old, new = _by_name(before.get(key)), _by_name(after.get(key))
    yield from _members(key, list(old), list(new))
    for name in dict.fromkeys([*old, *new]):
        if not _same(old.get(name), new.get(name)):
            yield _text_change(what, name, _pretty(old.get(name)), _pretty(new.get(name)))


def _by_name(definitions: Json) -> dict[str, Json]:
    if not isinstance(definitions, list):
        return {} if definitions is None else {"all": definitions}
    named: dict[str, Json] = {}
    for position, definition in enumerate(definitions, 1):
        name = _definition_name(definition)
        named[f"{name} ({position})" if name in named else name] = definition
    return named


def _definition_name(definition: Json) -> str:
    tool = _object(definition)
    name = _object(tool.get("function")).get("name") or tool.get("name")
    number = tool.get("tool_registry_id") or tool.get("mcp_server_id") or ""
    return str(name or f"{tool.get('type', 'unnamed')} {number}".strip())


def _format(template: JsonObject) -> str | None:
    """The one format of all texts; None where they differ from each other."""
    holders = [template] if template.get("type") == COMPLETION else _list(template.get("messages"))
    formats = {str(_object(holder).get("template_format", F_STRING)) for holder in holders}
    return None if len(formats) > 1 else "".join(formats) or F_STRING


def _texts(template: JsonObject, uniform: bool) -> list[_Message]:
    if not template:
        return []
    ignored = {"role", "content"} | ({"template_format"} if uniform else set())
    if template.get("type") == COMPLETION:
        content = template.get("content")
        return [_Message("completion", _content_text(content), content)]
    return [_message(message, ignored) for message in _list(template.get("messages"))]


def _message(message: Json, ignored: set[str]) -> _Message:
    if not isinstance(message, dict):
        return _Message("unknown", _pretty(message) or "", message)
    fields = {key: value for key, value in message.items() if key not in ignored}
    head = [f"{key}: {_pretty(value)}" for key, value in fields.items()]
    text = "\n".join([*head, _content_text(message.get("content"))])
    return _Message(str(message.get("role")), text, {**fields, "content": message.get("content")})


def _content_text(content: Json) -> str:
    if not isinstance(content, list):
        return _pretty(content) or ""
    return "\n".join(_part_text(part) for part in content)


def _part_text(part: Json) -> str:
    only_text = isinstance(part, dict) and set(part) == {"type", "text"}
    if only_text and part["type"] == "text" and isinstance(part["text"], str):
        return str(part["text"])
    return _pretty(part) or ""


def _messages(before: list[_Message], after: list[_Message]) -> Iterator[TextChange]:
    """Messages side by side: an inserted one leaves those after it as they are."""
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after).get_opcodes():
        if tag != "equal":
            for old, new in _paired(before[i1:i2], after[j1:j2]):
                yield _message_change(
                    i1 + old if old is not None else None,
                    j1 + new if new is not None else None,
                    before,
                    after,
                )


def _message_change(
    old: int | None, new: int | None, before: list[_Message], after: list[_Message]
) -> TextChange:
    was = before[old] if old is not None else None
    now = after[new] if new is not None else None
    number = (new if new is not None else old or 0) + 1
    shown = now or was
    assert shown is not None  # a pair has a side
    texts = (was.text if was else None, now.text if now else None)
    if texts[0] == texts[1]:  # the same text in other parts
        texts = (_pretty(was.raw if was else None), _pretty(now.raw if now else None))
    what = "Prompt" if shown.role == "completion" else f"Message {number}"
    return _text_change(what, None if what == "Prompt" else shown.role, *texts)


def _paired(
    before: list[_Message], after: list[_Message]
) -> Iterator[tuple[int | None, int | None]]:
    """Who became whom in a stretch that differs, by position, in the order of the messages."""
    i = j = 0
    for old, new in [*_matches(before, after), (len(before), len(after))]:
        yield from ((gone, None) for gone in range(i, old))
        yield from ((None, come) for come in range(j, new))
        if old < len(before):
            yield old, new
        i, j = old + 1, new + 1


def _matches(before: list[_Message], after: list[_Message]) -> list[tuple[int, int]]:
    """Find the alignment with the most words in common, within the roles."""
    if len(before) * len(after) > _MOST_MESSAGES_COMPARED:
        roles = SequenceMatcher(None, [m.role for m in before], [m.role for m in after])
        blocks = roles.get_matching_blocks()
        return [(block.a + n, block.b + n) for block in blocks for n in range(block.size)]
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    nothing: tuple[float, list[tuple[int, int]]] = (0.0, [])
    for i, old in enumerate(before):
        for j, new in enumerate(after):
            score, pairs = best.get((i - 1, j - 1), nothing)
            choices = [best.get((i - 1, j), nothing), best.get((i, j - 1), nothing)]
            if old.role == new.role:
                choices.append((score + _likeness(old.text, new.text), [*pairs, (i, j)]))
            best[i, j] = max(choices, key=lambda choice: choice[0])
    return best.get((len(before) - 1, len(after) - 1), nothing)[1]


def _likeness(one: str, other: str) -> float:
    words, others = set(one.split()), set(other.split())
    return 0.1 + len(words & others) / (len(words | others) or 1)


def _text_change(what: str, name: str | None, before: str | None, after: str | None) -> TextChange:
    change: Literal["added", "removed", "changed"] = "changed"
    if before is None or after is None:
        change = "added" if before is None else "removed"
    return TextChange(what, name, change, diff_texts(before, after))


def _spelled(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) and _BARE_WORD.fullmatch(value):
        return (value,)
    return (json.dumps(value, ensure_ascii=False, sort_keys=True),)


def _pretty(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
