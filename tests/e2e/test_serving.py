"""A push that the forge tells of is what applications are served, with nothing but the webhook in
between; and after a kill, without anybody else."""

from __future__ import annotations

import json

import httpx2

from bridge.serve.release import PromptRelease
from bridge.serve.release_store import ReleaseStore
from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ON_GITHUB, ProductEnvironment
from tests.standins.fault_injection import status
from tests.standins.git_http import read_file

FORGE_SECRET = "a-secret-of-the-forge-for-tests"
PATH = "prompts/greeting.yaml"
SERVE = {"applications": [{"name": "bot", "tokens": ["a-token-of-the-application"]}]}


def released(environment: ProductEnvironment) -> list[PromptRelease]:
    records = ReleaseStore(environment.books).load().records
    return [record.release for record in records if record.is_served]


def test_a_push_is_served_and_a_cold_start_needs_only_the_database(
    environment: ProductEnvironment,
) -> None:
    hub = {
        "type": "github",
        "url": environment.github.url,
        "token": "${GITHUB_TOKEN}",
        "webhook_secret": FORGE_SECRET,
    }
    serving = {**ON_GITHUB, "publish": True, "serve": "merged"}
    environment.configure(serving, forges={"github": hub}, serve=SERVE)
    environment.save("greeting", "Say hello.")
    bridge = environment.serve_swept()
    assert released(environment) == []
    environment.github.hooks.register(f"{environment.address}/webhooks/github", FORGE_SECRET)

    environment.repository.merge(environment.pulls()[0].number, "squash")
    until(lambda: [one.version for one in released(environment)] == [1], "not served", bridge)
    text = read_file(environment.repository.path, "main", PATH)
    commit = environment.repository.push("main", {PATH: text.replace(b"hello", b"good morning")})
    until(lambda: [one.version for one in released(environment)] == [2], "not served", bridge)

    (release,) = released(environment)
    assert (release.commit, release.path, release.warning) == (commit, PATH, None)
    (answer,) = ReleaseStore(environment.books).load().answers
    assert "Say good morning." in json.dumps(json.loads(answer.body))
    bridge.kill()
    environment.platform_faults.add(lambda *_: True, status(503), 1000)
    environment.serve("--workers", "0")

    ready = httpx2.get(f"{environment.address}/readyz")
    assert ready.status_code == 200
    metrics = httpx2.get(f"{environment.address}/metrics").text
    assert 'promptlayer_bridge_releases{mapping="support"} 1.0' in metrics
    assert 'promptlayer_bridge_releases_in_doubt{mapping="support"} ' not in metrics
