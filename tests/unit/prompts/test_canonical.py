from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from bridge.errors import MalformedPayloadError
from bridge.prompts.canonical_form import (
    canonicalise_extra,
    canonicalise_metadata,
    canonicalise_template,
    expand_template,
)
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.input_variables import find_input_variables, find_variables_in_text
from bridge.prompts.prompt import Json, JsonObject, Prompt, PromptFile

from .strategies import json_values, random_templates, template

RECORDED = Path(__file__).parents[4] / "shared/promptlayer/recorded.json"


def chat(*messages: JsonObject, **more: Json) -> JsonObject:
    return {"type": "chat", "messages": list(messages), **more}


def user(text: str, **more: Json) -> JsonObject:
    return {"role": "user", "content": [{"type": "text", "text": text}], **more}


def test_what_the_backend_adds_on_read_means_nothing() -> None:
    published = chat(user("Hello {name}"))
    noise = {"input_variables": ["name"], "template_format": "f-string", "dataset_examples": []}
    message = user("Hello {name}", raw_request_display_role="", name=None, **noise)
    message["content"][0] |= {"id": None, "annotations": None}
    read = chat(message, tools=None, functions=[], tool_choice=None, **noise)

    assert canonicalise_template(read) == canonicalise_template(published) == published


def test_the_recorded_backend_reads_back_what_was_published() -> None:
    if not RECORDED.exists():
        pytest.skip("the recorded traffic is not here")
    calls = [c for c in json.loads(RECORDED.read_text()) if c["path"] == "/rest/prompt-templates"]

    assert calls
    for call in calls:
        sent = canonicalise_template(call["request"]["prompt_version"]["prompt_template"])
        sent.pop("provider_base_url_name", None)  # the backend does not keep it there
        assert canonicalise_template(call["response"]["prompt_template"]) == sent


def test_null_and_empty_keep_their_meaning_in_the_json_of_engineers() -> None:
    parameters: JsonObject = {"default": None, "enum": [], "title": "", "properties": {}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    metadata = {"model": {"provider": "openai", "parameters": {"stop": None, "tools": []}}}

    assert canonicalise_template(chat(tools=tools))["tools"] == tools
    assert canonicalise_metadata(metadata) == metadata


def test_the_defaults_of_a_function_mean_nothing() -> None:
    bare = chat(tools=[{"type": "function", "function": {"name": "f"}}])
    read = {"name": "f", "description": "", "strict": False, "parameters": None}

    assert canonicalise_template(chat(tools=[{"type": "function", "function": read}])) == bare


def test_what_only_equals_a_default_in_python_is_kept() -> None:
    tools = [{"type": "function", "function": {"name": "f", "strict": 0}}]

    assert canonicalise_template(chat(tools=tools)) == chat(tools=tools)


def test_a_string_is_one_text_part() -> None:
    assert canonicalise_template(chat({"role": "user", "content": "hi"})) == chat(user("hi"))
    assert canonicalise_template({"type": "completion", "content": "hi"}) == {
        "type": "completion",
        "content": [{"type": "text", "text": "hi"}],
    }


def test_input_variables_stay_only_where_they_say_more_than_the_text() -> None:
    placeholder = {"role": "placeholder", "name": "history"}
    computed = chat(user("{b} {a}", input_variables=["a", "b"]), input_variables=["b", "a"])
    with_slot = chat(user("{a}"), placeholder, input_variables=["a", "history"])
    declared = chat(user("{a}", input_variables=["a", "c"]), input_variables=[])

    assert canonicalise_template(computed) == chat(user("{b} {a}"))
    assert canonicalise_template(with_slot) == chat(user("{a}"), placeholder)
    assert canonicalise_template(declared) == declared


def test_jinja2_is_kept_and_the_default_format_dropped() -> None:
    assert canonicalise_template(chat(user("{{ x }}", template_format="jinja2"))) == chat(
        user("{{ x }}", template_format="jinja2")
    )
    assert canonicalise_template(chat(user("x", template_format="f-string"))) == chat(user("x"))


def test_unknown_keys_are_kept() -> None:
    odd = chat(user("x", mood="kind"), audio={"voice": None})

    assert canonicalise_template(odd) == odd


def test_one_and_one_point_zero_are_different_prompts() -> None:
    whole, point = (
        Prompt("p", chat(), {"model": {"parameters": {"temperature": number}}})
        for number in (1, 1.0)
    )

    assert whole.digest != point.digest


def test_our_own_provenance_is_no_metadata() -> None:
    metadata = {"promptlayer_bridge": {"commit": "abc"}, "owner": "me", "model": None}

    assert canonicalise_metadata(metadata) == {"owner": "me"}
    assert canonicalise_metadata(None) == {}


def test_the_custom_provider_is_kept_where_it_is_set() -> None:
    answer = {
        "id": 1,
        "provider_id": 3,
        "provider_base_url_name": "eu",
        "inference_client_name": None,
    }

    assert canonicalise_extra(answer) == {"provider_base_url_name": "eu", "provider_id": 3}


@pytest.mark.parametrize("nonsense", [None, [], "chat", {}, {"type": "image"}, {"type": []}])
def test_what_is_no_template_is_malformed(nonsense: Json) -> None:
    with pytest.raises(MalformedPayloadError, match="look at the prompt"):
        canonicalise_template(nonsense)


@given(json_values, json_values)
@settings(max_examples=200, deadline=None)
def test_nonsense_inside_a_template_is_kept_without_complaint(one: Json, two: Json) -> None:
    for garbage in (
        {"type": "chat", "messages": one, "tools": two},
        chat({"role": one, "content": two}, {"content": [one], "tool_calls": two}),
        chat(tools=[one], functions=[two], input_variables=two, template_format=one),
        {"type": "completion", "content": one, "input_variables": [two]},
    ):
        canonical = canonicalise_template(garbage)
        assert canonicalise_template(canonical) == canonical
        find_input_variables(canonical)


def test_the_canonical_form_is_its_own_and_survives_being_expanded() -> None:
    random = Random(7)
    for _ in range(500):
        canonical = canonicalise_template(template(random))
        assert canonicalise_template(canonical) == canonical
        assert canonicalise_template(expand_template(canonical)) == canonical


@given(random_templates)
@settings(max_examples=50, deadline=None)
def test_what_is_given_is_left_as_it_is(given_template: JsonObject) -> None:
    before = json.dumps(given_template)
    expand_template(canonicalise_template(given_template))

    assert json.dumps(given_template) == before


def test_a_template_is_expanded_as_the_backend_likes_it() -> None:
    placeholder = {"role": "placeholder", "name": "history"}

    expanded = expand_template(chat(user("{b} {a}"), placeholder))

    message = user("{b} {a}", template_format="f-string", input_variables=["a", "b"])
    assert expanded == chat(message, placeholder, input_variables=["a", "b"])


@pytest.mark.parametrize(
    ("text", "template_format", "names"),
    [
        ("Hi {name}, {{not}} {mail!r:>3} {}", "f-string", {"name", "mail"}),
        ('Broken { "a": {b}', "f-string", {"b"}),
        ("{{ user.name }} {% for x in xs %}{{ x|mine }}{% endfor %}", "jinja2", {"user", "xs"}),
        ("{{ broken", "jinja2", set()),
        ("{{ 9 ** 9 ** 9 ** 9 }}{{ 'a'|center(99999999999) }}{{ x }}", "jinja2", {"x"}),
    ],
)
def test_variables_are_found_as_promptlayer_reads_them(
    text: str, template_format: str, names: set[str]
) -> None:
    assert find_variables_in_text(text, template_format) == names


def test_a_template_asks_for_what_its_texts_and_its_declarations_name() -> None:
    jinja = user("{{ a }}", template_format="jinja2")

    assert find_input_variables(chat(jinja, user("{b}"), input_variables=["c"])) == {"a", "b", "c"}
    assert find_input_variables({"type": "completion", "content": "{d}"}) == {"d"}


@pytest.mark.parametrize("place", ["tools", "functions"])
def test_empty_parameters_of_a_function_survive_and_change_no_meaning(place: str) -> None:
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    wrapped = {"type": "function", "function": function}
    with_them, without = (
        canonicalise_template(chat(**{place: [wrapped if place == "tools" else function]})),
        canonicalise_template(
            chat(**{place: [_bare(wrapped) if place == "tools" else {"name": "f"}]})
        ),
    )

    assert with_them[place] == [wrapped if place == "tools" else function]
    assert Prompt("p", with_them).digest == Prompt("p", without).digest
    text = render_prompt_file(PromptFile(Prompt("p", with_them), "prod"))
    assert parse_prompt_file(text, path="p").prompt.template == with_them


def _bare(tool: JsonObject) -> JsonObject:
    return {**tool, "function": {"name": "f"}}
