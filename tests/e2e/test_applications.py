"""An application before a bridge that runs: what is merged, and nothing else, whatever is down."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import httpx2
import pytest

from bridge.prompts.prompt import Json
from bridge.sandbox.local_http_client import create_local_client
from tests.e2e.bridge_process import PATIENCE, until
from tests.e2e.product_environment import REPOSITORY, ProductEnvironment, mapping
from tests.standins.fault_injection import status

TOKEN, NEW_TOKEN = "token-of-the-bot", "next-token-of-the-bot"
FORGE_SECRET = "a-forge-secret"
SUPPORT = mapping("support", f"github:{REPOSITORY}", serve="merged")
ONE = "/prompt-templates/support%2Freply"


def configure(environment: ProductEnvironment, *tokens: str) -> None:
    application = {"name": "bot", "tokens": tokens, "prompts": ["support/*"], "labels": ["latest"]}
    github = {
        "type": "github",
        "url": environment.github.url,
        "token": "${GITHUB_TOKEN}",
        "webhook_secret": FORGE_SECRET,
    }
    environment.configure(SUPPORT, serve={"applications": [application]}, forges={"github": github})


@pytest.fixture
def served(environment: ProductEnvironment) -> ProductEnvironment:
    configure(environment, TOKEN)
    environment.save("support/reply", "Be kind to {name}.")
    environment.serve_swept()
    environment.github.hooks.register(f"{environment.address}/webhooks/github", FORGE_SECRET)
    return environment


def ask(environment: ProductEnvironment, token: str = TOKEN) -> httpx2.Response:
    body = {"api_key": token, "input_variables": {"name": "Ada"}}
    with create_local_client(timeout=PATIENCE) as client:
        return client.post(f"{environment.address}{ONE}", json=body)


def merge(environment: ProductEnvironment) -> str:
    """Merge the open pull request; the commit of the base branch after that."""
    (pull,) = [each for each in environment.pulls() if each.state == "open"]
    return environment.repository.merge(pull.number, "squash")


def text_of(answer: Json) -> str:
    text: str = answer["prompt_template"]["messages"][0]["content"][0]["text"]
    return text


def run(environment: ProductEnvironment, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of a deployment pipeline, which has an address and a token and no bridge.yaml."""
    settings = {"BRIDGE_URL": environment.address, "BRIDGE_TOKEN": TOKEN}
    return subprocess.run(
        [sys.executable, "-m", "bridge", *words],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )


def test_an_application_reads_what_is_merged_and_a_pipeline_waits_for_it(
    served: ProductEnvironment,
) -> None:
    assert ask(served).status_code == 404  # a pull request is open

    first = merge(served)
    said = run(served, "served", "--commit", first, "--wait", f"{PATIENCE:.0f}s")

    assert said.returncode == 0, said.stderr + served.logs
    assert text_of(ask(served).json()) == "Be kind to Ada."

    served.save("support/reply", "Be rude to {name}.")
    served.until_settled()
    assert text_of(ask(served).json()) == "Be kind to Ada."  # nobody reviewed it yet
    assert run(served, "served", "--commit", "d" * 40, "--wait", "1s").returncode == 2

    second = merge(served)
    assert run(served, "served", "--commit", second, "--wait", "40s").returncode == 0
    assert run(served, "served", "--commit", first).returncode == 0  # or a later one
    assert text_of(ask(served).json()) == "Be rude to Ada."
    shown = json.loads(run(served, "get", "support/reply", "--json").stdout)
    assert shown["commit"] == second
    assert shown["path"] == "prompts/support/reply.yaml"
    exported = json.loads(run(served, "export", "--label", "latest").stdout)
    assert exported["prompts"] == [shown]


def test_a_start_needs_the_bridges_own_disk_alone(served: ProductEnvironment) -> None:
    commit = merge(served)
    assert run(served, "served", "--commit", commit, "--wait", "40s").returncode == 0
    served.bridges[0].kill()
    served.platform_faults.add("/", status(503), times=100_000)

    served.serve()

    answer = ask(served)
    assert text_of(answer.json()) == "Be kind to Ada."
    assert int(answer.headers["bridge-age"]) >= 0


def test_a_token_is_replaced_while_the_bridge_runs(served: ProductEnvironment) -> None:
    assert (ask(served).status_code, ask(served, NEW_TOKEN).status_code) == (404, 401)

    configure(served, TOKEN, NEW_TOKEN)
    until(lambda: ask(served, NEW_TOKEN).status_code == 404, "the new token opened nothing")
    configure(served, NEW_TOKEN)
    until(lambda: ask(served, TOKEN).status_code == 401, "the old token still opened")

    assert TOKEN not in served.logs
    assert NEW_TOKEN not in served.logs


def test_who_waits_is_answered_when_the_bridge_ends(served: ProductEnvironment) -> None:
    bridge = served.bridges[0]
    waiting = subprocess.Popen(
        [sys.executable, "-m", "bridge", "served", "--commit", "d" * 40, "--wait", "3s"],
        env={**os.environ, "BRIDGE_URL": served.address, "BRIDGE_TOKEN": TOKEN},
        stderr=subprocess.DEVNULL,
    )
    assert bridge.end() == 0
    assert waiting.wait(PATIENCE) == 2
