"""PromptLayer or a forge is down, slow, tired or says no: deliveries are taken in all the same, work
waits and resumes by itself, and what needs a person says so."""

from __future__ import annotations

import re

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.storage.inbox import DeliveryState
from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ON_GITHUB, ProductEnvironment, mapping
from tests.standins.fault_injection import cut, status, time_out

SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
READ_PROMPT = "GET /prompt-templates/"
OPEN_PULL = "POST /api/v3/repos/acme/support-bot/pulls"


def test_work_waits_for_promptlayer_and_resumes_by_itself(environment: ProductEnvironment) -> None:
    environment.configure(ON_GITHUB, promptlayer={"timeout": "1s"})
    bridge = environment.serve_swept()
    environment.platform_faults.add(READ_PROMPT, time_out())
    environment.platform_faults.add(READ_PROMPT, status(503))
    environment.platform_faults.add(READ_PROMPT, status(429, headers={"Retry-After": "3"}))

    environment.save("greeting", "Say hello.")
    bridge.until_it_says("waits 2 s: PromptLayer did not answer")
    assert [one.kind for one in environment.stuck()] == [ReconcileOutcomeKind.WAITING]
    environment.save("farewell", "Say goodbye.")
    environment.until_settled()

    assert {sent.status for sent in environment.webhooks.sent} == {202}
    assert bridge.said.count(" waits ") >= 3  # whichever of the two prompts met which refusal
    assert "waits 3 s: " in bridge.said, "Retry-After was not heard"
    assert [pull.state for pull in environment.pulls()] == ["open", "open"]
    assert not environment.stuck()


def test_work_waits_for_the_forge_and_resumes_by_itself(environment: ProductEnvironment) -> None:
    bridge = environment.serve_swept()
    environment.github.faults.add(OPEN_PULL, status(403, SECONDARY, {"Retry-After": "2"}))
    environment.github.faults.add(OPEN_PULL, status(502))
    environment.github.faults.add("/acme/support-bot.git/info/refs", cut())

    environment.save("greeting", "Say hello.")
    environment.until_settled()

    assert bridge.said.count("waits ") == 3
    assert "secondary rate limit is reached" in bridge.said
    assert [pull.state for pull in environment.pulls()] == ["open"]
    assert not environment.stuck()


def test_a_refusal_that_waiting_cannot_mend_is_parked_until_a_person_acts(
    environment: ProductEnvironment,
) -> None:
    bridge = environment.serve_swept()
    credential = environment.github.credentials[environment.github_token]
    environment.github.revoke(environment.github_token)
    environment.save("greeting", "Say hello.")
    environment.until_settled()
    environment.github.credentials[environment.github_token] = credential
    environment.github.faults.add(OPEN_PULL, status(403, {"message": "Resource not accessible"}))
    environment.save("farewell", "Say goodbye.")
    environment.until_settled()

    listed = environment.run("deliveries", "list").stdout
    expired = "GitHub does not accept forges.github.token"
    lacking = "GitHub does not let forges.github.token open a pull request"
    for reason in (expired, lacking):
        assert reason in bridge.said
        assert f"parked: {reason}" in " ".join(listed.split())
    assert {delivery.state for delivery in environment.deliveries()} == {DeliveryState.PARKED}

    for delivery in environment.deliveries():
        assert environment.run("deliveries", "redeliver", delivery.id).returncode == 0
    until(lambda: len(environment.pulls()) == 2, "what was redelivered was not proposed", bridge)
    environment.until_settled()
    assert {delivery.state for delivery in environment.deliveries()} == {DeliveryState.DONE}
    assert not environment.stuck()


def test_a_repository_that_hangs_holds_up_no_other(environment: ProductEnvironment) -> None:
    hanging = {"type": "github", "url": environment.github.url, "token": "${GITHUB_TOKEN}"}
    environment.configure(
        mapping("sick", "github:acme/support-bot"),
        mapping("well", "local:acme/support-bot"),
        forges={"github": {**hanging, "timeout": "2m"}},
        workers=6,
    )
    environment.github.faults.add("/", time_out(), times=1000)
    bridge = environment.serve()

    for number in range(12):
        environment.save(f"prompt-{number}", f"Text {number}")

    until(
        lambda: len(environment.local.list_all_pull_requests()) == 12, "the well one waited", bridge
    )
    assert not environment.pulls()
    assert {sent.status for sent in environment.webhooks.sent} == {202}
    gave_up = re.search(r"sick/\S+?(:| waits| is parked)", bridge.said)
    assert not gave_up, "the sick one gave up instead of hanging"
