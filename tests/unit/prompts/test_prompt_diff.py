from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.prompt_diff import (
    PromptDiff,
    SettingChange,
    diff_prompts,
    diff_texts,
)


def chat(
    *messages: tuple[str, str], model: dict[str, Any] | None = None, **template: Any
) -> Prompt:
    listed = [
        {"role": role, "content": [{"type": "text", "text": text}]} for role, text in messages
    ]
    return Prompt(
        name="support/reply",
        template={"type": "chat", "messages": listed, **template},
        metadata={"model": model} if model else {},
    )


def gpt(**parameters: Any) -> dict[str, Any]:
    return {"provider": "openai", "name": "gpt-4o", "parameters": parameters}


def titles(found: PromptDiff) -> list[tuple[str, str | None, str]]:
    return [(text.what, text.name, text.change) for text in found.texts]


def test_the_same_prompt_has_no_difference() -> None:
    prompt = chat(("system", "Be kind."), model=gpt(temperature=0.2))

    assert diff_prompts(prompt, prompt) == PromptDiff((), ())


def test_settings_are_rows() -> None:
    before = chat(
        model={"provider": "openai", "name": "gpt-4o", "parameters": {"top_p": 1, "n": 1}}
    )
    after = chat(
        model={"provider": "anthropic", "name": "claude", "parameters": {"top_p": 1.0, "seed": "7"}}
    )

    assert diff_prompts(before, after).rows == (
        SettingChange("provider", ("openai",), ("anthropic",)),
        SettingChange("model", ("gpt-4o",), ("claude",)),
        SettingChange("top_p", ("1",), ("1.0",)),
        SettingChange("n", ("1",), ()),
        SettingChange("seed", (), ('"7"',)),
    )


def test_variables_that_come_and_go_are_rows() -> None:
    before = chat(("user", "{question} {tone}"))
    after = chat(("user", "{question} {language}"))

    assert diff_prompts(before, after).rows == (
        SettingChange("variables removed", ("tone",), ()),
        SettingChange("variables added", (), ("language",)),
    )
    assert diff_prompts(None, after).rows == (
        SettingChange("variables", (), ("language", "question")),
    )


def test_a_rename_is_a_row_and_provenance_is_none() -> None:
    before = Prompt("old", {"type": "chat", "messages": []}, version=1, tags=("a",), id=1)
    after = Prompt("new", {"type": "chat", "messages": []}, version=2, tags=("b",), id=1)

    assert diff_prompts(before, after) == PromptDiff(
        (SettingChange("name", ("old",), ("new",)),), ()
    )


def test_a_changed_word_shows_its_line_only() -> None:
    before = chat(("system", "one\ntwo\nthree"))
    after = chat(("system", "one\n2\nthree"))

    (text,) = diff_prompts(before, after).texts
    assert text.lines == (" one", "-two", "+2", " three")
    assert (text.added, text.removed) == (1, 1)


def test_an_inserted_message_leaves_the_others_alone() -> None:
    before = chat(("system", "Be kind."), ("user", "{question}"), ("assistant", "Sure."))
    after = chat(
        ("system", "Be kind."),
        ("user", "An example."),
        ("user", "{question}"),
        ("assistant", "Sure."),
    )

    assert titles(diff_prompts(before, after)) == [("Message 2", "user", "added")]


def test_a_message_inserted_before_a_changed_one_is_told_apart() -> None:
    before = chat(("user", "Answer the question in English: {question}"))
    after = chat(("user", "Hello!"), ("user", "Answer the question in French: {question}"))

    assert titles(diff_prompts(before, after)) == [
        ("Message 1", "user", "added"),
        ("Message 2", "user", "changed"),
    ]


def test_another_role_is_another_message() -> None:
    found = diff_prompts(chat(("system", "Be kind.")), chat(("developer", "Be kind.")))

    assert titles(found) == [
        ("Message 1", "system", "removed"),
        ("Message 1", "developer", "added"),
    ]


def test_a_new_prompt_is_all_added() -> None:
    found = diff_prompts(None, chat(("system", "Be kind."), model=gpt(temperature=0)))

    assert [row.before for row in found.rows] == [(), (), ()]
    assert [row.aspect for row in found.rows] == ["provider", "model", "temperature"]
    assert found.texts[0].lines == ("+Be kind.",)


def test_a_tool_that_changes_is_shown_by_name() -> None:
    def tool(name: str, description: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "description": description}}

    before = chat(tools=[tool("search", "old"), tool("mail", "x")])
    after = chat(tools=[tool("search", "new"), tool("call", "x")])

    found = diff_prompts(before, after)
    assert found.rows == (
        SettingChange("tools removed", ("mail",), ()),
        SettingChange("tools added", (), ("call",)),
    )
    assert titles(found) == [
        ("Tool", "search", "changed"),
        ("Tool", "mail", "removed"),
        ("Tool", "call", "added"),
    ]
    assert '-    "description": "old",' in found.texts[0].lines


def test_a_long_setting_is_a_diff_and_a_short_one_a_row() -> None:
    before = chat(model=gpt(response_format={"type": "text"}), tool_choice="auto")
    after = chat(
        model=gpt(response_format={"type": "json_schema", "json_schema": {"name": "a" * 60}}),
        tool_choice={"type": "function", "function": {"name": "search"}},
    )

    found = diff_prompts(before, after)
    assert [row.aspect for row in found.rows] == ["tool_choice"]
    assert titles(found) == [("Setting", "response_format", "changed")]


def test_one_template_format_for_all_is_a_row() -> None:
    def formatted(*formats: str) -> Prompt:
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "x"}], "template_format": f}
            for f in formats
        ]
        return Prompt("a", {"type": "chat", "messages": messages})

    uniform = diff_prompts(formatted("f-string", "f-string"), formatted("jinja2", "jinja2"))
    assert uniform == PromptDiff(
        (SettingChange("template format", ("f-string",), ("jinja2",)),), ()
    )
    mixed = diff_prompts(formatted("f-string", "f-string"), formatted("f-string", "jinja2"))
    assert "+template_format: jinja2" in mixed.texts[0].lines


def test_the_same_words_in_other_parts_are_still_a_difference() -> None:
    def parts(*texts: str) -> Prompt:
        content = [{"type": "text", "text": text} for text in texts]
        return Prompt("a", {"type": "chat", "messages": [{"role": "user", "content": content}]})

    (text,) = diff_prompts(parts("a\nb"), parts("a", "b")).texts
    assert text.change == "changed"
    assert text.lines


def test_a_completion_is_one_text() -> None:
    def completion(text: str) -> Prompt:
        return Prompt("a", {"type": "completion", "content": [{"type": "text", "text": text}]})

    (text,) = diff_prompts(completion("a"), completion("b")).texts
    assert (text.what, text.name, text.lines) == ("Prompt", None, ("-a", "+b"))


def test_other_metadata_and_fields_are_not_forgotten() -> None:
    before = Prompt(
        "a", {"type": "chat", "messages": [], "other": 1}, {"team": "x"}, {"provider_id": 1}
    )
    after = Prompt(
        "a", {"type": "chat", "messages": [], "other": 2}, {"team": "y"}, {"provider_id": 2}
    )

    assert {row.aspect for row in diff_prompts(before, after).rows} == {
        "metadata team",
        "provider_id",
        "other",
    }


def test_a_line_feed_at_the_end_shows_only_where_it_differs() -> None:
    assert diff_texts(None, "a\n") == ("+a",)
    assert diff_texts("a\n", "b\n") == ("-a", "+b")
    assert diff_texts("a", "a\n") == (" a", "+")


def test_left_out_lines_are_announced() -> None:
    before = "\n".join(map(str, range(40)))
    lines = diff_texts(before, before.replace("20", "x"))

    assert lines[0].startswith("@@ ")
    assert len(lines) == 9


def test_texts_too_long_to_compare_are_shown_whole() -> None:
    before, after = "\n".join("ab" * 1500), "\n".join("ba" * 1500)

    assert len(diff_texts(before, after)) == 6000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab{}\n", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "text", "role", "content", "name", "function", "template_format"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
messages = st.lists(
    st.one_of(
        json_values,
        st.fixed_dictionaries({"role": st.sampled_from("su"), "content": json_values}),
    ),
    max_size=4,
)
prompts = st.builds(
    lambda messages, tools, model, more: Prompt(
        "a", {"type": "chat", "messages": messages, "tools": tools, **more}, {"model": model}
    ),
    messages,
    json_values,
    json_values,
    st.dictionaries(st.sampled_from(["tool_choice", "functions", "x"]), json_values, max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(st.none() | prompts, prompts)
def test_no_prompt_is_too_strange_to_compare(before: Prompt | None, after: Prompt) -> None:
    found = diff_prompts(before, after)

    if before is not None and before.digest == after.digest:
        assert found == PromptDiff((), ())
    for text in found.texts:
        assert all(line[:1] in ("+", "-", " ", "@") and "\n" not in line for line in text.lines)


@pytest.mark.parametrize("count", [1, 60])
def test_many_messages_are_aligned(count: int) -> None:
    before = chat(*(("user", f"question {n}") for n in range(count)))
    after = chat(*(("user", f"query {n}") for n in range(count)))

    assert [change for _, _, change in titles(diff_prompts(before, after))] == ["changed"] * count
