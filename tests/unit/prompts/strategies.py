"""Templates and texts made to break a file format.

``template`` makes thousands a second from a seeded ``random.Random``; the Hypothesis strategies
below it are slower and shrink what they find.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

from bridge.prompts.prompt import Json, JsonObject

FRAGMENTS = (
    "You are helpful. ", "Answer in {language}.", "{{ user.name }}", "{% for x in xs %}{{ x }}{% endfor %}",
    "{", "}", "@@@tone@@@", "@@@tone@label:prod@@@", "@@@tone@version_number:3@@@",
    " ", "   ", "\n", "\n\n", "\t", "\r\n", "\r", "\x85", "\u2028", "\u2029", "\ufeff", "\x00", "\x1b", "\x7f",
    "no", "Yes", "on", "y", "~", "null", "true", "12:30:45", "1e3", "0o7", "010", "0x1F", "1_000", "3.0",
    ".inf", "2024-01-01", "=", "<<", "#", " #", ": ", ":", "- ", "-", "---", "...", "? ", "!", "&a", "*a",
    "|", ">", "%", "`", "@", ",", "[", "]", "'", '"', "\\", "\\n", "é", "日本", "😀", "\xa0", "\u200b", "\ufffe",
)  # fmt: skip
ROLES = ("system", "user", "assistant", "developer", "tool", "function", "placeholder")
NUMBERS = (0, 1, -5, 10**30, 1.0, 0.2, -0.0, 1e-07, 1e22, 2.5e-300)
PART_TYPES = (
    "text", "image_url", "media", "media_variable", "thinking", "code", "output_media",
    "server_tool_use", "web_search_tool_result", "code_execution_result", "mcp_list_tools",
    "mcp_call", "mcp_approval_request", "mcp_approval_response", "shell_call", "shell_call_output",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result",
    "apply_patch_call", "apply_patch_call_output", "a_type_of_tomorrow",
)  # fmt: skip


def template(random: Random) -> JsonObject:
    """A template as PromptLayer might answer it: every role, part type and odd text there is."""
    made: JsonObject = {"type": "chat", "messages": _some(random, message, 3)}
    if random.random() < 0.25:
        content = text(random) if random.random() < 0.2 else _some(random, part, 2)
        made = {"type": "completion", "content": content, **_format(random)}
    maybe: dict[str, Callable[[Random], Json]] = {
        "tools": lambda r: r.choice([None, _some(r, tool, 2)]),
        "tool_choice": lambda r: r.choice([None, "auto", {"type": "function", "function": {"name": "f"}}]),
        "functions": lambda r: r.choice([None, [], [function(r)]]),
        "function_call": lambda r: r.choice([None, "none", {"name": "f"}]),
        "input_variables": lambda r: [text(r)],
        "dataset_examples": lambda r: r.choice([[], None]),
        "field_of_tomorrow": lambda r: json_value(r, 2),
    }  # fmt: skip
    return made | {key: make(random) for key, make in maybe.items() if random.random() < 0.2}


def metadata(random: Random) -> JsonObject:
    made: JsonObject = {"owner": json_value(random, 1)} if random.random() < 0.3 else {}
    if random.random() < 0.8:
        parameters = {"temperature": random.choice(NUMBERS), "stop": json_value(random, 2)}
        made["model"] = {"provider": "openai", "name": "gpt-4o", "parameters": parameters}
    return made


def message(random: Random) -> JsonObject:
    role = random.choice(ROLES)
    made: JsonObject = {"role": role, **_format(random)}
    if role == "placeholder":
        return made | {"name": text(random), "content": None, "raw_request_display_role": ""}
    made["content"] = text(random) if random.random() < 0.2 else _some(random, part, 2)
    if role == "assistant" and random.random() < 0.5:
        made |= {"content": None, "tool_calls": _some(random, _tool_call, 2)}
    if role == "tool":
        made["tool_call_id"] = text(random)
    if random.random() < 0.2:
        made |= {"name": None, "dataset_examples": [], "key_of_tomorrow": json_value(random, 2)}
    return made


def part(random: Random) -> JsonObject:
    if random.random() < 0.6:
        return {"type": "text", "text": text(random)}
    kind = random.choice(PART_TYPES)
    made: JsonObject = {"type": kind} if random.random() < 0.5 else {"id": None, "type": kind}
    textual = kind == "text" or random.random() < 0.2
    return made | ({"text": text(random)} if textual else {kind: json_value(random, 2)})


def tool(random: Random) -> JsonObject:
    builtin = {
        "id": "w",
        "name": "web",
        "description": "",
        "provider": "openai",
        "type": "web_search",
    }
    return random.choice(
        [
            {"type": "function", "function": function(random)},
            {**builtin, "config": json_value(random, 1)},
            {"type": "variable", "name": text(random)},
            {"type": "registry", "tool_registry_id": 5, "label": "production"},
        ]
    )


def function(random: Random) -> JsonObject:
    properties = {text(random): json_value(random, 2) for _ in range(random.randint(0, 2))}
    parameters = {"type": "object", "properties": properties, "default": None}
    return {"name": "f", "description": text(random), "strict": None, "parameters": parameters}


def json_value(random: Random, depth: int) -> Json:
    if depth == 0 or random.random() < 0.5:
        return random.choice([None, True, False, [], {}, *NUMBERS, text(random), text(random)])
    if random.random() < 0.5:
        return [json_value(random, depth - 1) for _ in range(random.randint(0, 2))]
    return {text(random): json_value(random, depth - 1) for _ in range(random.randint(0, 2))}


def text(random: Random) -> str:
    return "".join(random.choices(FRAGMENTS, k=random.choice((0, 1, 1, 2, 3, 5, 8))))


def _tool_call(random: Random) -> JsonObject:
    call = {"name": "f", "arguments": text(random)}
    return {"id": text(random), "tool_id": None, "type": "function", "function": call}


def _format(random: Random) -> JsonObject:
    if random.random() < 0.5:
        return {}
    variables = random.choice([[], [text(random)]])
    chosen = random.choice(["f-string", "jinja2"])
    return {"template_format": chosen, "input_variables": variables}


def _some(random: Random, one: Callable[[Random], Json], most: int) -> list[Json]:
    return [one(random) for _ in range(random.randint(0, most))]


texts = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts
)  # fmt: skip
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
random_templates = st.integers(0, 2**40).map(lambda seed: template(Random(seed)))
