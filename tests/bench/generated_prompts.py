"""Prompts like those people write: a system message of some length, a question, a model; some
with a worked example and a tool. The same number gives the same prompt."""

from __future__ import annotations

from random import Random

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata

_WORDS = [
    "answer",
    "the",
    "customer",
    "in",
    "a",
    "friendly",
    "tone",
    "and",
    "never",
    "promise",
    "what",
    "support",
    "cannot",
    "keep",
    "if",
    "you",
    "do",
    "not",
    "know",
    "say",
    "so",
    "name",
    "help",
    "desk",
    "order",
    "refund",
    "delivery",
    "address",
    "account",
    "invoice",
    "password",
    "please",
    "use",
    "short",
    "sentences",
    "always",
    "cite",
    "policy",
    "section",
    "when",
    "it",
    "applies",
    "ask",
    "for",
    "number",
    "before",
    "looking",
    "up",
    "summarise",
    "conversation",
    "list",
    "open",
    "points",
    "translate",
    "into",
    "language",
    "keep",
    "names",
    "as",
    "they",
    "are",
]

_TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Looks an order up by its number.",
        "parameters": {
            "type": "object",
            "properties": {
                "number": {"type": "string", "description": "As printed on the invoice."},
                "history": {"type": "boolean", "description": "Whether to list what happened."},
            },
            "required": ["number"],
        },
    },
}


def name_of(number: int) -> str:
    return f"support/team-{number % 40}/reply-{number}"


def template_of(number: int) -> JsonObject:
    """About 2 KB of text."""
    random = Random(number)
    messages = [("system", _lines(random, 24)), ("user", "Customer: {question}\nOrder: {order}")]
    if number % 3 == 0:
        messages += [("assistant", _lines(random, 6)), ("user", "And then? {follow_up}")]
    template = build_chat_template(*messages)
    return template | {"tools": [_TOOL]} if number % 4 == 0 else template


def metadata_of(number: int) -> JsonObject:
    return build_model_metadata("openai", "gpt-4o", temperature=number % 10 / 10, max_tokens=800)


def filled(count: int) -> PromptRegistry:
    """A workspace of so many prompts."""
    registry = PromptRegistry()
    for number in range(count):
        registry.save_version(
            name_of(number),
            template_of(number),
            metadata=metadata_of(number),
            commit_message="First draft",
            tags=["support"],
        )
    return registry


def _lines(random: Random, count: int) -> str:
    return "".join(f"- {' '.join(random.choices(_WORDS, k=14))}.\n" for _ in range(count))
