"""Applications and the mappings that serve, as the writer of ``bridge.yaml`` meets them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.config.bridge_config import BridgeConfig, parse_config
from bridge.config.reloadable_settings import merge_reloadable_settings
from bridge.config.serving_conflicts import find_serving_gaps
from bridge.errors import ConfigError

HEAD = """\
promptlayer: {api_key: key}
forges:
  hub: {type: github, token: t}
"""
SERVE = """\
serve:
  applications:
    - {name: bot, tokens: [one], prompts: ["support/*"], labels: [prod]}
"""
WORKSPACES = """\
workspaces:
  care: {api_key: key}
  sales: {api_key: key}
forges:
  hub: {type: github, token: t}
"""


def mapping(name: str, **settings: str) -> str:
    told = {"prompts": f'["{name}/*"]', "repository": f"hub:acme/{name}", "serve": "merged"}
    told |= settings
    return f"  - {{name: {name}, {', '.join(f'{key}: {it}' for key, it in told.items())}}}\n"


def file(*mappings: str, head: str = HEAD, serve: str = SERVE) -> str:
    return head + serve + "mappings:\n" + "".join(mappings)


def config_of(text: str) -> BridgeConfig:
    return parse_config(text, "bridge.yaml", {})


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        config_of(text)
    return str(told.value).splitlines()


def test_an_application_has_defaults_for_all_but_its_name_and_tokens() -> None:
    config = config_of(
        file(mapping("a"), serve="serve: {applications: [{name: a, tokens: [t]}]}\n")
    )

    assert config.serve is not None
    assert config.serve.stale == timedelta(days=7)
    assert (config.serve.log.keep, config.serve.log.limit) == (timedelta(days=1), 1 << 30)
    (only,) = config.serve.applications
    assert (only.prompts, only.labels, only.relay, only.log) == (("**",), ("*",), False, "queue")


@pytest.mark.parametrize(
    "second",
    ['["a/*"]', '["**"]', '["a/x"]', '["a/b*"]', '["[a-z]/y"]', '["b/*", "a/*"]', '["!b/*"]'],
)
def test_two_mappings_that_may_serve_one_prompt_at_a_label_are_refused_with_both_places(
    second: str,
) -> None:
    (told,) = mistakes_in(file(mapping("a"), mapping("b", prompts=second, serve="platform")))

    assert told.startswith("bridge.yaml:9: mappings[1].serve: mapping a may serve the same prompt")
    assert told.endswith("(it stands at bridge.yaml:8)")


@pytest.mark.parametrize(
    "second",
    [
        {"prompts": '["b/*"]'},
        {"prompts": '["**", "!a/*"]'},
        {"track": "[prod]"},
        {"serve": '"off"', "prompts": '["a/*"]'},
        {"serve": "false", "prompts": '["a/*"]'},
    ],
)
def test_mappings_that_cannot_serve_the_same_prompt_stand_beside_each_other(
    second: dict[str, str],
) -> None:
    told = {"prompts": '["a/*"]', **second}

    assert len(config_of(file(mapping("a"), mapping("b", **told))).mappings) == 2


def test_folders_beside_each_other_serve_different_prompts() -> None:
    one = mapping("a", prompts="[]", folder="Care")
    config_of(file(one, mapping("b", prompts="[]", folder="Sales")))

    assert mistakes_in(file(one, mapping("b", prompts="[]", folder="Care/EU")))


def test_the_same_prompt_of_two_workspaces_is_two_prompts() -> None:
    serve = "serve: {applications: [{name: bot, tokens: [t], workspace: care}]}\n"
    one = mapping("a", workspace="care", prompts='["**"]')
    two = mapping("b", workspace="sales", prompts='["**"]')

    assert config_of(file(one, two, head=WORKSPACES, serve=serve)).serve


@pytest.mark.parametrize(
    ("applications", "told"),
    [
        ("[{name: a, tokens: [t]}, {name: a, tokens: [u]}]", "name: 'a' is used twice"),
        (
            "[{name: a, tokens: [t]}, {name: b, tokens: [u, t]}]",
            "tokens: application a has the same token",
        ),
        ("[{name: a, tokens: []}]", "tokens: "),
        ('[{name: a, tokens: [""]}]', "expected a secret, got an empty text"),
        ("[{name: a, tokens: [t], labels: []}]", "labels: "),
        ('[{name: a, tokens: [t], labels: [""]}]', "labels[0]: "),
        ('[{name: a, tokens: [t], prompts: ["[a"]}]', "expected [ and ] in pairs"),
        ("[{name: a, tokens: [t], workspace: x}]", "workspace: expected a workspace of this file"),
        ("[]", "applications: "),
    ],
)
def test_a_mistake_among_the_applications_is_told_with_its_line(
    applications: str, told: str
) -> None:
    (line,) = mistakes_in(file(mapping("a"), serve=f"serve: {{applications: {applications}}}\n"))

    assert line.startswith("bridge.yaml:4: serve.applications")
    assert told in line


def test_an_application_names_its_workspace_where_there_are_several() -> None:
    serve = "serve: {applications: [{name: bot, tokens: [t]}]}\n"
    (told,) = mistakes_in(file(mapping("a", workspace="care"), head=WORKSPACES, serve=serve))

    assert "workspace: expected one of care, sales, as there are several" in told


def test_the_only_workspace_need_not_be_named() -> None:
    head = "workspaces: {care: {api_key: key}}\nforges:\n  hub: {type: github, token: t}\n"
    config = config_of(file(mapping("a"), head=head))

    assert config.serve is not None
    assert config.serve.applications[0].workspace == "care"


@pytest.mark.parametrize(("text", "size"), [("512KiB", 1 << 19), ("2 GiB", 2 << 30)])
def test_a_size_has_a_unit(text: str, size: int) -> None:
    serve = f"serve: {{log: {{limit: {text}}}, applications: [{{name: a, tokens: [t]}}]}}\n"
    config = config_of(file(mapping("a"), serve=serve))

    assert config.serve is not None
    assert config.serve.log.limit == size


@pytest.mark.parametrize("text", ["0GiB", "1GB", "-1GiB", "many", "0"])
def test_what_is_no_size_is_refused(text: str) -> None:
    serve = f"serve: {{log: {{limit: {text}}}, applications: [{{name: a, tokens: [t]}}]}}\n"
    (told,) = mistakes_in(file(mapping("a"), serve=serve))

    assert "expected a size with its unit" in told


def test_tokens_are_taken_over_while_the_bridge_runs_and_shown_nowhere() -> None:
    running = config_of(file(mapping("a")))
    new = config_of(file(mapping("a"), serve=SERVE.replace("[one]", "[planted-token, one]")))

    merged, waiting = merge_reloadable_settings(running, new)

    assert merged.serve == new.serve
    assert waiting == ()
    assert "planted-token" not in repr(merged)


def gaps_of(text: str) -> list[str]:
    config = config_of(text)
    return list(find_serving_gaps(config.mappings, config.serve))


def test_check_tells_what_would_be_waited_for_in_vain() -> None:
    assert gaps_of(file(mapping("a", track="[prod]", publish="true"))) == []
    (unpublished,) = gaps_of(file(mapping("a", track="[prod]")))
    assert "does not publish" in unpublished
    (unread,) = gaps_of(file(mapping("a", serve="platform"), serve=""))
    assert "nobody reads it" in unread
    (empty,) = gaps_of(file(mapping("a", serve="false")))
    assert "Application bot reads nothing" in empty
    (label,) = gaps_of(file(mapping("a", publish="true")))
    assert "reads nothing at the label prod" in label
