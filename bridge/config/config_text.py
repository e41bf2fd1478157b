"""Parse the text of a settings file to plain values, and map a mistake back to its line.

The file names secrets as ``${NAME}`` or ``${file:/path}``. Their values come from the environment
or from files, and are never written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from bridge.config.setting_suggestion import suggest_setting
from bridge.config.unresolved_secret import UnresolvedSecret
from bridge.config.variable_source import FILE_PREFIX, VariableSource
from bridge.errors import ConfigError, PromptFileError
from bridge.prompts.file_format.source_text import SourceDocument, read_source_document
from bridge.prompts.pull_request.markdown import collapse_to_one_line, shorten

SettingLocation = tuple[str | int, ...]

# A variable is replaced by a placeholder first, as ``{`` starts a mapping in YAML.
_NAME = rf"[A-Za-z_][A-Za-z0-9_]*|{FILE_PREFIX}[A-Za-z0-9_./@+-]+"
_VARIABLE = re.compile(rf"\$\$|\$\{{({_NAME})\}}")
_UNBRACED = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_HIDDEN = re.compile(f"\ue000({_NAME})\ue001")
_DOLLAR = "\ue002"

_LONGEST_WORDS = 400  # characters of a setting's name, and of a message
_FORGE_TYPES = ("github", "gitlab", "local")


@dataclass(frozen=True)
class ConfigText:
    """One settings file as YAML, not yet validated."""

    path: str
    source: SourceDocument
    main: ConfigText | None = None  # bridge.yaml, for a file of its mappings folder

    @classmethod
    def read(
        cls, text: str, path: str, expected: str, main: ConfigText | None = None
    ) -> ConfigText:
        """Parse the YAML. Raises ConfigError for text that is no YAML, or lacks the ``expected``
        sections."""
        try:
            source = read_source_document(_VARIABLE.sub(_hidden, text), path, "yaml")
        except PromptFileError as error:
            raise ConfigError(_shown(str(error))) from None
        if not isinstance(source.value, dict):
            raise ConfigError(f"{path}:1: expected {expected}")
        return cls(path, source, main)

    def substitute_variables(
        self, variables: VariableSource, *, defer_secrets: bool = False
    ) -> dict[str, Any]:
        """The values with each variable replaced. Raises ConfigError listing all that are not
        set; with ``defer_secrets`` an UnresolvedSecret takes the place of such a value."""
        filling = _VariableSubstitution(self, variables, defer_secrets)
        values: dict[str, Any] = filling.fill(self.source.value, ())
        if filling.mistakes:
            raise ConfigError("\n".join(filling.mistakes))
        return values

    def list_referenced_files(self) -> list[str]:
        """The paths that the file names as ``${file:/path}``."""
        names: set[str] = set()
        _gather(self.source.value, names)
        return sorted(
            name.removeprefix(FILE_PREFIX) for name in names if name.startswith(FILE_PREFIX)
        )

    def explain_error(self, error: ValidationError, model: type[BaseModel]) -> ConfigError:
        """Every mistake on a line of its own: its location and what was expected. ``model`` is the
        model of the whole file."""
        return ConfigError("\n".join(dict.fromkeys(self._lines(error, model))))

    def format_mistake(self, location: SettingLocation, description: str) -> str:
        """``file:line: setting: description``; the file and line of ``defaults`` for a setting that
        a mapping has from there."""
        main = self.main or self
        if location[:1] == ("mappings",) and not _contains(self.source.value, location):
            default = ("defaults", *location[2:])
            if len(location) > 2 and _contains(main.source.value, default):
                return main._format(default, description)
        return self._format(location, description)

    def _format(self, location: SettingLocation, description: str) -> str:
        name = _brief(_shown(_spelled(location)))
        line = self.source.find_line(location)
        return f"{self.path}:{line}: {name + ': ' if name else ''}{_brief(description)}"

    def _lines(self, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
        for found in error.errors(include_url=False):
            if isinstance(found["input"], UnresolvedSecret):  # of a setting that is no secret
                yield found["input"].explanation
                continue
            description = _words(found["type"], found["msg"], found.get("ctx", {}))
            if found["type"] == "extra_forbidden":
                description += suggest_setting(model, found["loc"])
            yield self.format_mistake(_in_file(found["loc"]), description)


def _contains(value: Any, location: SettingLocation) -> bool:
    """Whether the plain values of a file have something at ``location``."""
    for step in location:
        known = range(len(value)) if isinstance(value, list) else value
        if not isinstance(known, range | dict) or step not in known:
            return False
        value = value[step]
    return True


def _brief(text: str) -> str:
    return shorten(collapse_to_one_line(text), _LONGEST_WORDS)


def _hidden(found: re.Match[str]) -> str:
    return f"\ue000{found[1]}\ue001" if found[1] else _DOLLAR


def _gather(value: Any, names: set[str]) -> None:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _gather(inner, names)
    elif isinstance(value, str):
        names.update(_HIDDEN.findall(value))


def _shown(text: str) -> str:
    return _HIDDEN.sub(r"${\1}", text).replace(_DOLLAR, "$$")


@dataclass(frozen=True)
class _VariableSubstitution:
    """Replace the variables in a file's values."""

    text: ConfigText
    variables: VariableSource
    defer_secrets: bool
    mistakes: list[str] = field(default_factory=list)

    def fill(self, value: Any, location: SettingLocation) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(inner, (*location, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, (*location, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        if "${" in value or _UNBRACED.fullmatch(value):
            description = (
                "expected ${NAME}, a name of letters, digits and _, or ${file:/path}; $$ stands for"
                " one $"
            )
            self.mistakes.append(self.text.format_mistake(location, description))
        missing: list[str] = []
        filled = _HIDDEN.sub(lambda found: self._variable(found[1], location, missing), value)
        if missing and self.defer_secrets:
            return UnresolvedSecret("\n".join(missing))
        self.mistakes.extend(missing)
        return filled.replace(_DOLLAR, "$")

    def _variable(self, name: str, location: SettingLocation, missing: list[str]) -> str:
        try:
            return self.variables.find(name)
        except LookupError as error:
            missing.append(self.text.format_mistake(location, str(error)))
            return ""


def _in_file(location: SettingLocation) -> SettingLocation:
    """A pydantic location without the parts that the file does not have: the name of the forge's
    type, and the marker for a key."""
    if location[-1:] == ("[key]",):
        return location[:-1]
    if len(location) > 2 and location[0] == "forges" and location[2] in _FORGE_TYPES:
        return (*location[:2], *location[3:])
    return location


def _spelled(location: SettingLocation) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


_A_NUMBER = "expected a whole number"
_YES_OR_NO = "expected true or false"
_A_LIST = "expected a list: [one, another]"
_A_SECTION = "expected settings below it, got something else"
_A_FORGE_TYPE = f"expected type: {', '.join(_FORGE_TYPES[:-1])} or {_FORGE_TYPES[-1]}"

_EXPECTED: Mapping[str, str] = {
    "missing": "this setting is missing",
    "extra_forbidden": "this setting is not known",
    "string_type": "expected a text; put quotes around a number",
    "path_type": "expected a path",
    "int_type": _A_NUMBER,
    "int_parsing": _A_NUMBER,
    "int_from_float": _A_NUMBER,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "tuple_type": _A_LIST,
    "dict_type": _A_SECTION,
    "model_type": _A_SECTION,
    "model_attributes_type": _A_SECTION,
    "string_pattern_mismatch": "expected lower-case letters, digits, - and _, at most 63",
    "too_short": "expected at least one",
    "union_tag_not_found": _A_FORGE_TYPE,
    "union_tag_invalid": _A_FORGE_TYPE,
}
_EXPECTED_WITH: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "literal_error": lambda said: f"expected {said['expected']}",
    "enum": lambda said: f"expected {said['expected']}",
    "greater_than_equal": lambda said: f"expected {said['ge']} or more",
    "less_than_equal": lambda said: f"expected {said['le']} or less",
}


def _words(kind: str, message: str, said: Mapping[str, Any]) -> str:
    """What was expected, in the terms of the file; never the given value, which may be secret."""
    if kind in _EXPECTED_WITH:
        return _EXPECTED_WITH[kind](said)
    return _EXPECTED.get(kind, message.removeprefix("Value error, "))
