"""Valid samples, bent a little: most of the reader is reached before anything is odd."""

from __future__ import annotations

import json
import marshal
import re
from collections.abc import Callable, Sequence
from random import Random

from bridge.prompts.prompt import Json
from tests.unit.prompts.strategies import FRAGMENTS

HOSTILE = (
    "@jane", "Fixes #12", "closes acme/bot#3", "GH-4", "!5", "SUPPORT-7", "/close", "[skip ci]",
    "***NO_CI***", "skip-checks: true", "https://github.com/acme/bot/issues/12", "www.evil.example",
    "<img src=x onerror=alert(1)>", "![x](y)", "[x](javascript:alert(1))", "</details>", "</summary>",
    "```", "~~~", "````\n/close\n", "<!-- promptlayer-bridge:e30= -->", "-->", "<!--", "--!>",
    "\n---\n", "\ndiff --git a/x b/x\n", "\n\nPromptLayer-Prompt: 1\nPromptLayer-Label: prod\n",
    "Co-authored-by: Eve <eve@example.com>", "| a | b |", "|---|---|", "# Heading", "> quote", "1. one",
    "../", "..", ".git", ".git/config", "git~1", "/etc/passwd", "C:\\x", "CON", "aux.txt", "com¹", "-rf",
    ".lock", "@{-1}", "HEAD", "refs/heads/", "{label}", "{prompt}", "{id}", "{mapping}", "{0.__class__}",
    "%s", "${HOME}", "$$", "\ue000HOME\ue001", "\ue002", "\u202e", "\u2066", "\u200d", "\u2060",
    "\ud800", "\udfff", "\ufffe", "\U0010ffff", "e\u0301", "ﬁ", "İ", "ß", "ｄｅｖ", "½", "٣", "x" * 300,
)  # fmt: skip
WORDS = (*FRAGMENTS, *HOSTILE)
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
NUMBERS: tuple[Json, ...] = (
    0, 1, -1, 2, 17, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30, 0.0, -0.0, 0.5, 1.5, 1e-9, 1e308,
    float("inf"), float("nan"), True, False,
)  # fmt: skip

Mutate = Callable[[Random, Json], Json]


def text(random: Random) -> str:
    """A few odd pieces in a row; sometimes any characters at all, sometimes very many. Two halves
    of a character that meet are that character: no text that was ever JSON has them apart."""
    made = _pieces(random)
    return str(json.loads(json.dumps(made))) if _HALVES.search(made) else made


def _pieces(random: Random) -> str:
    kind = random.random()
    if kind < 0.1:
        return "".join(chr(_code_point(random)) for _ in range(random.randrange(12)))
    if kind < 0.12:
        return random.choice(WORDS) * random.choice((50, 300, 2000))
    return "".join(random.choices(WORDS, k=random.choice((0, 1, 1, 1, 2, 3, 5))))


def _code_point(random: Random) -> int:
    return random.choice(
        (random.randrange(0x100), random.randrange(0x3000), random.randrange(0x110000))
    )


def value(random: Random, depth: int = 2) -> Json:
    kind = random.random()
    if depth == 0 or kind < 0.35:
        return text(random)
    if kind < 0.7:
        return random.choice((None, {}, [], *NUMBERS))
    if kind < 0.85:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return {text(random): value(random, depth - 1) for _ in range(random.randrange(4))}


def bent(random: Random, document: Json, times: Sequence[int] = (0, 1, 1, 2, 4)) -> Json:
    """The document with a few of its parts replaced, dropped, doubled, renamed or nested."""
    made = [_copied(document)]
    for _ in range(random.choice(times)):
        _bend_once(random, made)
    return made[0]


def _bend_once(random: Random, root: list[Json]) -> None:
    holder, key = random.choice(_places(root))
    kind = random.randrange(7)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[text(random)] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list) and holder is not root:
        holder.insert(key, _copied(holder[key]))
    elif kind == 3:
        holder[key] = random.choice(([holder[key]], {text(random): holder[key]}))
    elif kind == 4:
        other, at = random.choice(_places(root))
        holder[key] = _copied(other[at])
    elif kind == 5 and isinstance(holder[key], str):
        holder[key] = spoiled_text(random, holder[key])
    else:
        holder[key] = value(random)


def _copied(document: Json) -> Json:
    return marshal.loads(marshal.dumps(document))  # several times as quick as copy.deepcopy


def _places(root: list[Json]) -> list[tuple[Json, Json]]:
    """Every part of a document, as its holder and its key there."""
    places: list[tuple[Json, Json]] = []
    rest: list[Json] = [root]
    while rest:
        holder = rest.pop()
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                rest.append(holder[key])
    return places


def spoiled_text(random: Random, whole: str) -> str:
    """The text with one piece cut out, doubled, or something odd put in."""
    start = random.randint(0, len(whole))
    end = min(len(whole), start + random.choice((0, 1, 3, 20)))
    piece = random.choice(("", random.choice(WORDS), whole[start:end] * 2, text(random)))
    return whole[:start] + piece + whole[end:]


def spoiled_bytes(random: Random, whole: bytes) -> bytes:
    """The bytes with a few of them cut out, doubled, flipped or put in."""
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        start = random.randint(0, len(whole))
        end = min(len(whole), start + random.choice((0, 1, 2, 8, 64)))
        piece = random.choice((b"", bytes([random.randrange(256)]), whole[start:end] * 2))
        if random.random() < 0.4:
            piece = random.choice(WORDS).encode("utf-8", "surrogatepass")
        whole = whole[:start] + piece + whole[end:]
    return whole


def as_json(random: Random, document: Json) -> bytes:
    """A document in one of the many ways to spell it; sometimes spoiled, sometimes endless."""
    if random.random() < 0.01:
        return _endless(random)
    ascii_only = random.random() < 0.5
    spelled = json.dumps(document, ensure_ascii=ascii_only, indent=random.choice((None, None, 2)))
    body = spelled.encode("utf-8", "surrogatepass")
    return spoiled_bytes(random, body) if random.random() < 0.3 else body


def _endless(random: Random) -> bytes:
    size = random.choice((60, 70, 1500, 20_000))
    return random.choice(
        (b"[" * size, b"[" * size + b"]" * size, b'{"a":' * size + b"1" + b"}" * size, b"9" * size)
    )
