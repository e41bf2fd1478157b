"""Find secrets in a prompt's text, before it enters git's history or PromptLayer. Pure.

A secret is a text with the shape of a known key, or a random one right after a word such as "token"
or "password". An obvious example is none. A finding has the place of the secret and never the
secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

from bridge.prompts.prompt import Json, Prompt

_SHOWN = 4  # characters of a secret, and never more than a quarter of it
_SHORTEST = 11  # characters of a text that can hold any
_LONG_ENOUGH = 16  # characters of something random; below, it has to look like a password
_RANDOM = 3.5  # bits for each character
_RANDOM_PASSWORD = 3.0


@dataclass(frozen=True)
class SecretFinding:
    """The place and kind of one secret, without the secret."""

    place: str  # where in the prompt: ``template.messages[0].content[0].text``
    kind: str  # for a person: "GitHub token"
    masked_text: str  # the first few characters and …
    line: int | None = None  # of the text there, where it has several

    def __str__(self) -> str:
        return f"{self.kind} ({self.masked_text}) in {self.location}"

    @property
    def location(self) -> str:
        return self.place if self.line is None else f"{self.place}, line {self.line}"


@dataclass(frozen=True)
class _SecretPattern:
    kind: str
    pattern: re.Pattern[str]  # the secret is its group "secret", or all of it
    marks: tuple[str, ...]  # a text without any of them holds none: quick to see

    def find_in(self, text: str) -> Iterator[re.Match[str]]:
        for mark in self.marks:
            if mark in text:
                return self.pattern.finditer(text)
        return iter(())


def _read_shapes() -> tuple[_SecretPattern, ...]:
    """The shapes of ``secret_shapes.yaml``, in its order."""
    text = files(__package__).joinpath("secret_shapes.yaml").read_text("utf-8")
    return tuple(
        _SecretPattern(entry["kind"], re.compile(entry["pattern"]), tuple(entry["marks"]))
        for entry in yaml.safe_load(text)
    )


_SHAPES = _read_shapes()

_WORDS = r"api[ _-]?key|access[ _-]?key|secret|token|passw(?:or)?d|passphrase|pwd|credentials?|bearer|authorization"
_ROOTS = (  # one is in each of the words
    *("key", "secret", "token", "passw", "passphrase", "pwd"),
    *("credential", "bearer", "authorization"),
)
_BEFORE_ROOT = len("access_")  # characters of a word before its root, at most
_GLUE = r"[\"'`]?[ \t]{0,3}(?:[:=]{1,2}>?|->|\bis\b|[ \t])[ \t]{0,3}(?:\b(?:Bearer|Basic|is)[ \t]{1,3})?[\"'`(]?"
_AFTER_WORD = re.compile(
    rf"(?i:(?P<word>{_WORDS}|\bkey)(?:[ _-](?:key|id|value))?){_GLUE}"
    r"(?P<secret>[A-Za-z0-9][A-Za-z0-9+/_=.~!@#%^&*-]{11,500})"
)
_CREDENTIAL_NAME = re.compile(rf"(?:{_WORDS}|(?:^|[_-])key)$", re.IGNORECASE)
_NAMED = re.compile(r"(?P<secret>[A-Za-z0-9][A-Za-z0-9+/_=.~!@#%^&*-]{11,500})")

_EXAMPLE = re.compile(
    r"(.)\1{4}|x{4}|\*{3}|\.{3}|example|your|placeholder|dummy|sample|change[_-]?me|redacted|"
    r"insert|fake|1234567|abcdefg|^[<{$%\[]",
    re.IGNORECASE,
)
_EXAMPLE_PASSWORDS = frozenset(
    {"password", "passwd", "pass", "pwd", "secret", "token", "pw", "key"}
)
_SHORT_PART = re.compile(r"[A-Z]?[a-z]*|[A-Z]+|[0-9]+|\w{1,4}|[a-z]+[0-9]{1,2}")
_CAMEL_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9]+")
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)
_UNSPOKEN = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|[aeiou]{4}|q[^u]|[jvwx]{2}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_DATA_ADDRESS = re.compile(r"data:[\w/+.;=-]{0,100};base64,[A-Za-z0-9+/=_-]*")
_BINARY = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}\s*")


def find_secrets(prompt: Prompt, allow: Sequence[str] = ()) -> tuple[SecretFinding, ...]:
    """Find the secrets in a prompt. ``allow`` holds harmless ones: a string as it stands, or a
    regular expression between slashes that fits the whole of it. Raises ValueError for an
    expression that cannot be read (see ``check_allowed``)."""
    allowed = [_allowing(entry) for entry in allow]
    return tuple(
        SecretFinding(place, found.kind, _masked(found.secret), _line(text, found.start))
        for place, text, name in _texts(prompt)
        for found in _found(text, name)
        if not any(pattern.search(found.secret) for pattern in allowed)
    )


def mask_secrets(value: Json, name: str = "") -> Json:
    """A copy that can be shown: of each secret the first few characters are left. ``name`` is the
    key that the value goes by."""
    if isinstance(value, str):
        return _with_masks(value, name)
    if isinstance(value, dict):
        return {
            _with_masks(str(key), ""): mask_secrets(each, str(key)) for key, each in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(each, name) for each in value]
    return value


def _with_masks(text: str, name: str) -> str:
    for found in reversed(_found(text, name)):
        text = text[: found.start] + _masked(found.secret) + text[found.end :]
    return text


def check_allowed(entry: str) -> None:
    """Raises ValueError when an entry of the allow list cannot be used."""
    _allowing(entry)


def _allowing(entry: str) -> re.Pattern[str]:
    if len(entry) < 3:
        raise ValueError(f"expected a whole string or /an expression/, not {entry!r}")
    if not (entry.startswith("/") and entry.endswith("/")):
        return re.compile(rf"\A{re.escape(entry)}\Z")
    try:
        inner = re.compile(
            entry[1:-1]
        ).pattern  # by itself, so that a mistake is reported in its terms
    except re.error as mistake:
        raise ValueError(f"expected a regular expression between the slashes: {mistake}") from None
    return re.compile(rf"\A(?:{inner})\Z")


# The texts that are searched.


def _texts(prompt: Prompt) -> Iterator[tuple[str, str, str]]:
    """Every text of a prompt: its place, itself, and the name it goes by."""
    yield from _strings(prompt.name, "name", "")
    yield from _strings(prompt.commit_message, "commit message", "")
    yield from _strings(list(prompt.tags), "tags", "")
    yield from _strings(prompt.template, "template", "")
    yield from _strings(prompt.metadata, "metadata", "")
    yield from _strings(prompt.extra, "version", "")


def _strings(value: Json, place: str, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        if not _BINARY.fullmatch(value):  # pictures, sounds, sealed thoughts
            yield place, _DATA_ADDRESS.sub("data:", value), name
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str) and len(key) > _LONG_ENOUGH:
                yield f"{place} (a key)", key, ""
            yield from _strings(inner, f"{place}.{_plain(str(key))}", str(key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _strings(inner, f"{place}[{at}]", name)


@lru_cache(maxsize=1024)
def _plain(text: str) -> str:
    """Format a key as part of a place; one that is a secret itself is left out."""
    return text if re.fullmatch(r"[A-Za-z0-9_ -]{1,40}", text) and not _found(text, "") else "…"


# The patterns that are searched for.


@dataclass(frozen=True)
class _SecretMatch:
    kind: str
    secret: str
    start: int
    end: int


def _found(text: str, name: str) -> list[_SecretMatch]:
    """The leaks of one text, in its order."""
    if len(text) < _SHORTEST:
        return []
    taken: list[_SecretMatch] = []
    for each in _candidates(text, name):
        if not any(each.start < other.end and other.start < each.end for other in taken):
            taken.append(each)
    return sorted(taken, key=lambda each: each.start)


def _candidates(text: str, name: str) -> Iterator[_SecretMatch]:
    for shape in _SHAPES:
        for match in shape.find_in(text):
            found = _taken(shape.kind, match)
            if not _is_example(found.secret):
                yield found
    for match in _after_words(text):
        found = _taken(_kind(match["word"]), match)
        if _is_random(found.secret, certain=match["word"].lower() != "key"):
            yield found
    if _CREDENTIAL_NAME.search(name) and (whole := _NAMED.fullmatch(text.strip())):
        found = _taken(_kind(name), whole)
        if _is_random(found.secret, certain=True):
            yield found


def _after_words(text: str) -> Iterator[re.Match[str]]:
    """Find the matches of ``_AFTER_WORD`` fast: it is tried only where one of ``_WORDS`` may
    begin."""
    folded = text.casefold()
    if len(folded) != len(text):  # some character became several, so places differ
        yield from _AFTER_WORD.finditer(text)
        return
    end = 0
    for root in sorted(place for part in _ROOTS for place in _places(part, folded)):
        for start in range(max(end, root - _BEFORE_ROOT), root + 1):
            if match := _AFTER_WORD.match(text, start):
                yield match
                end = match.end()
                break


def _places(part: str, text: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _taken(kind: str, match: re.Match[str]) -> _SecretMatch:
    group = "secret" if "secret" in match.re.groupindex else 0
    return _SecretMatch(kind, match[group].rstrip(".!"), match.start(group), match.end(group))


def _kind(word: str) -> str:
    return "password" if word.lower().startswith(("passw", "pwd", "passph")) else "secret"


def _is_example(secret: str) -> bool:
    return bool(_EXAMPLE.search(secret)) or secret.lower() in _EXAMPLE_PASSWORDS


def _is_random(secret: str, *, certain: bool) -> bool:
    """Whether a text looks random. ``certain`` is whether the keyword before it is unambiguous;
    after a mere "key", a hash is taken for an ordinary hash."""
    if _is_example(secret) or _UUID.fullmatch(secret) or _is_made_of_words(secret):
        return False
    if _HEX.fullmatch(secret):
        return certain and len(secret) >= 2 * _LONG_ENOUGH
    classes = [any(map(is_one, secret)) for is_one in (str.islower, str.isupper, str.isdigit)]
    if len(secret) < _LONG_ENOUGH:
        return all(classes) and _bits(secret) >= _RANDOM_PASSWORD
    return classes[2] and any(classes[:2]) and _bits(secret) >= _RANDOM


def _is_made_of_words(text: str) -> bool:
    """``gpt-4o-mini-2024-07-18``, ``support/reply.v2``, ``isPremiumCustomer2024Q3``: names,
    however long."""
    return all(
        _SHORT_PART.fullmatch(part) or _is_camel_case(part)
        for part in re.split(r"[-_./=+~!@#%^&*]", text)
    )


def _is_camel_case(part: str) -> bool:
    """Whether a name was joined of words: most of its letters stand in words of three and more that
    can be spoken, one of them with a capital, and it has few pieces for its length."""
    pieces = _CAMEL_PIECE.findall(part)
    spoken = [piece for piece in pieces if len(piece) >= 3 and _is_spoken(piece)]
    letters = sum(map(str.isalpha, part))
    return (
        any(piece[0].isupper() and piece[1].islower() for piece in spoken)
        and sum(map(len, spoken)) >= 0.7 * letters
        and len(part) >= 2.5 * len(pieces)
    )


def _is_spoken(word: str) -> bool:
    """Whether vowels and consonants alternate, as in words of most languages that use Latin
    letters."""
    return bool(_VOWEL.search(word)) and not _UNSPOKEN.search(word)


def _bits(text: str) -> float:
    """Shannon entropy for each character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def _masked(secret: str) -> str:
    return secret[: min(_SHOWN, len(secret) // 4)] + "…"


def _line(text: str, start: int) -> int | None:
    return text.count("\n", 0, start) + 1 if "\n" in text else None
