"""A corpus of prompts that hold no secret: what people write into prompts, and real technical prose.

The secret scan is measured against it: each prompt that it stops is a false alarm.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import random
import uuid
from collections.abc import Iterator

_DOCUMENTED = (  # modules of the standard library that speak of keys, tokens, passwords, addresses
    *("argparse", "ast", "asyncio", "base64", "binascii", "calendar", "code", "collections", "ctypes"),
    *("configparser", "contextlib", "csv", "datetime", "decimal", "difflib", "dis", "doctest"),
    *("email.message", "enum", "fileinput", "fractions", "ftplib", "functools", "getpass", "gettext"),
    *("hashlib", "heapq", "hmac", "html", "http.client", "http.cookiejar", "http.cookies", "imaplib"),
    *("inspect", "ipaddress", "json", "locale", "logging", "mailbox", "mimetypes", "netrc", "optparse"),
    *("os", "pathlib", "pickle", "pdb", "platform", "plistlib", "poplib", "pprint", "pydoc", "random"),
    *("re", "sched", "secrets", "shelve", "shlex", "shutil", "smtplib", "socket", "socketserver"),
    *("sqlite3", "ssl", "statistics", "string", "subprocess", "tarfile", "tempfile", "textwrap"),
    *("threading", "token", "tokenize", "trace", "turtle", "types", "unittest", "urllib.parse"),
    *("urllib.request", "uuid", "venv", "warnings", "weakref", "xml.dom.minidom", "zipfile"),
)  # fmt: skip

_SUBJECTS = (
    "support",
    "billing",
    "refund",
    "onboarding",
    "shipping",
    "returns",
    "loyalty",
    "fraud",
)
_FIELDS = (
    *("isPremiumCustomer2024Q3Eligible", "customerAccountNumber2024", "orderConfirmationV12Final"),
    *(
        "max_output_tokens",
        "preferredLanguageISO639Code",
        "lastPasswordChangeAtUTC",
        "keyPoints3Max",
    ),
    *("getCustomerByIdV2Response200Ok", "apiKeyRotationPolicy2025", "escalationTier2Contact"),
    *("tokenBudgetPerReply2048", "secretSantaCampaign2025Winner", "billingAddressLine2Optional"),
)
_PIECES = (
    "You are a {subject} assistant of Acme. Answer in {{language}}, in at most {n} sentences.",
    "key: `{field}`",
    'Return JSON: {{{{"{field}": true, "token_count": {n}, "key": "{field}"}}}}',
    "If `{field}` is missing, ask for it; never ask for a password, a token or an API key.",
    "Order {order}, tracking key {uuid}, build key {sha}.",
    "See https://docs.example.com/{subject}/v{n}/guides?section={field}#step-{n}.",
    "Use the model {model} with max_tokens: {n}, the fallback key is {model}.",
    "api_key: {{api_key}}, token: ${{API_TOKEN}}, password: <your-password>, secret: {{{{ secret }}}}",
    "The access key for the meeting room is on the first floor. Bearer of this letter may enter.",
    "Authorization: {subject}-team-only. Credentials are checked by the {subject}-service-{n}.",
    "SKU {sku}; IBAN and card numbers are never repeated. Date: {date}T09:00:00Z.",
    "def classify_{subject}(text: str, key: str = '{field}') -> dict[str, float]: ...",
    "| key | value |\n|---|---|\n| {field} | {n} |\n| {subject}_score | 0.{n} |",
    "Passwort vergessen? Erkläre freundlich, wie man es unter {subject}/{field} zurücksetzt.",
    "Mot de passe oublié : indiquez la page {subject}-{n}. 秘密の質問は使わないでください。",
    "Steps: 1) parse {{input}}; 2) look up key {subject}.{field}; 3) answer with secret-free text.",
)
_MODELS = ("gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20241022", "gemini-1.5-pro-002", "o3-mini")


def written_prompts(count: int, seed: int) -> Iterator[str]:
    """Prompts put together of what people write into them: roles, fields, examples, tables."""
    chance = random.Random(seed)
    for _ in range(count):
        pieces = chance.choices(_PIECES, k=chance.randint(3, 12))
        yield "\n".join(_filled(piece, chance) for piece in pieces)


def documentation() -> Iterator[str]:
    """Every docstring of those modules: real prose about keys, tokens, passwords and addresses."""
    seen: set[str] = set()
    for name in _DOCUMENTED:
        try:
            module = importlib.import_module(name)
        except ImportError:  # this Python has it no longer
            continue
        for text in _docstrings(module):
            if text not in seen:
                seen.add(text)
                yield text


def _docstrings(module: object) -> Iterator[str]:
    for member in (module, *vars(module).values()):
        if inspect.ismodule(member) and member is not module:
            continue
        yield from filter(None, [getattr(member, "__doc__", None)])
        if inspect.isclass(member):
            yield from (
                text
                for inner in vars(member).values()
                if isinstance(text := getattr(inner, "__doc__", None), str) and text
            )


def _filled(piece: str, chance: random.Random) -> str:
    number = chance.randint(2, 4096)
    return piece.format(
        subject=chance.choice(_SUBJECTS),
        field=chance.choice(_FIELDS),
        n=number,
        order=f"ACME-{chance.randint(2020, 2026)}-{chance.randint(0, 10**8):08d}",
        uuid=uuid.UUID(int=chance.getrandbits(128)),
        sha=hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest(),
        model=chance.choice(_MODELS),
        sku=f"{chance.choice('ABCD')}{chance.randint(100, 999)}-{chance.randint(10, 99)}-XL",
        date=f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
    )
