"""Which input variables a text asks for, as PromptLayer reads it: f-string or jinja2."""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter
from typing import Any

from jinja2 import TemplateError, meta, pass_context
from jinja2.sandbox import SandboxedEnvironment

from bridge.prompts.prompt import Json

F_STRING = "f-string"
JINJA2 = "jinja2"

_BRACED_NAME = re.compile(r"\{([^{}!:]+)\}")


@pass_context
def _never_folded(context: object, *values: object) -> None:
    """Stands for every filter and test: what needs a context is not evaluated ahead."""


class _Unevaluated(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        return _never_folded


class _NamesOnly(SandboxedEnvironment):
    """Finds names without folding constants: Jinja would compute ``{{ 9 ** 9 ** 9 }}`` and ``{{
    "a" | center(99999999999) }}``, and prompt text is untrusted."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__()
        self.filters = _Unevaluated()
        self.tests = _Unevaluated()


_JINJA = _NamesOnly()


@lru_cache(maxsize=4096)
def find_variables_in_text(text: str, template_format: str = F_STRING) -> frozenset[str]:
    """The names ``text`` has to be given. A text that cannot be parsed as jinja2 asks for none;
    one that is no valid f-string is searched for ``{name}``."""
    if "{" not in text:
        return frozenset()
    return _jinja2_names(text) if template_format == JINJA2 else _f_string_names(text)


def _f_string_names(text: str) -> frozenset[str]:
    try:
        names = [name for _, name, _, _ in Formatter().parse(text) if name]
    except ValueError:
        names = _BRACED_NAME.findall(text)
    return frozenset(names)


def _jinja2_names(text: str) -> frozenset[str]:
    try:
        return frozenset(meta.find_undeclared_variables(_JINJA.parse(text)))
    except (TemplateError, ValueError, RecursionError):  # not jinja2, a huge number, too deep
        return frozenset()


def find_input_variables(template: Json) -> frozenset[str]:
    """All input variables of a template: those its texts ask for and those it declares."""
    declared = _declared(template)
    for message in _messages(template):
        declared |= _declared(message) | find_message_variables(message)
    return declared | find_message_variables(template)


def find_message_variables(message: Json) -> frozenset[str]:
    """Find the variables in the text parts of one message (or of a completion's content)."""
    chosen = message.get("template_format") or F_STRING
    style = chosen if chosen == JINJA2 else F_STRING
    found: frozenset[str] = frozenset()
    for text in _texts(message.get("content")):
        found |= find_variables_in_text(text, style)
    return found


def find_placeholder_names(message: Json) -> frozenset[str]:
    """Names that are filled without standing in a text: placeholders and media variables."""
    names = [message.get("name")] if message.get("role") == "placeholder" else []
    for part in _parts(message.get("content")):
        names += [part.get("name")] if part.get("type") == "media_variable" else []
        names += [part.get("image_variable")]
    return frozenset(name for name in names if isinstance(name, str))


def _declared(holder: Json) -> frozenset[str]:
    names = holder.get("input_variables")
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))


def _messages(template: Json) -> list[Json]:
    messages = template.get("messages")
    return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def _parts(content: Json) -> list[Json]:
    return [p for p in content if isinstance(p, dict)] if isinstance(content, list) else []


def _texts(content: Json) -> list[str]:
    if isinstance(content, str):
        return [content]
    texts = [part.get("text") for part in _parts(content)]
    return [text for text in texts if isinstance(text, str)]
