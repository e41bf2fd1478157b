"""PromptLayer or a forge is down, slow, tired or says no: deliveries are taken in all the same, work
waits and resumes by itself, and what needs a person says so."""

from __future__ import annotations

import re

from bridge.prompts.outcome import OutcomeKind
from bridge.storage.inbox import DeliveryState
from tests.e2e.processes import until
from tests.e2e.scene import ON_GITHUB, Scene, mapping
from tests.standins.faults import cut, status, time_out

SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
READ_PROMPT = "GET /prompt-templates/"
OPEN_PULL = "POST /api/v3/repos/acme/support-bot/pulls"


def test_work_waits_for_promptlayer_and_resumes_by_itself(scene: Scene) -> None:
    scene.configure(ON_GITHUB, promptlayer={"timeout": "1s"})
    bridge = scene.serve_swept()
    scene.platform_faults.add(READ_PROMPT, time_out())
    scene.platform_faults.add(READ_PROMPT, status(503))
    scene.platform_faults.add(READ_PROMPT, status(429, headers={"Retry-After": "3"}))

    scene.save("greeting", "Say hello.")
    bridge.until_it_says("waits 2 s: PromptLayer did not answer")
    assert [one.kind for one in scene.stuck()] == [OutcomeKind.WAITING]
    scene.save("farewell", "Say goodbye.")
    scene.until_settled()

    assert {sent.status for sent in scene.webhooks.sent} == {202}
    assert bridge.said.count(" waits ") >= 3  # whichever of the two prompts met which refusal
    assert "waits 3 s: " in bridge.said, "Retry-After was not heard"
    assert [pull.state for pull in scene.pulls()] == ["open", "open"]
    assert not scene.stuck()


def test_work_waits_for_the_forge_and_resumes_by_itself(scene: Scene) -> None:
    bridge = scene.serve_swept()
    scene.github.faults.add(OPEN_PULL, status(403, SECONDARY, {"Retry-After": "2"}))
    scene.github.faults.add(OPEN_PULL, status(502))
    scene.github.faults.add("/acme/support-bot.git/info/refs", cut())

    scene.save("greeting", "Say hello.")
    scene.until_settled()

    assert bridge.said.count("waits ") == 3
    assert "secondary rate limit is reached" in bridge.said
    assert [pull.state for pull in scene.pulls()] == ["open"]
    assert not scene.stuck()


def test_a_refusal_that_waiting_cannot_mend_is_parked_until_a_person_acts(scene: Scene) -> None:
    bridge = scene.serve_swept()
    credential = scene.github.credentials[scene.github_token]
    scene.github.revoke(scene.github_token)
    scene.save("greeting", "Say hello.")
    scene.until_settled()
    scene.github.credentials[scene.github_token] = credential
    scene.github.faults.add(OPEN_PULL, status(403, {"message": "Resource not accessible"}))
    scene.save("farewell", "Say goodbye.")
    scene.until_settled()

    listed = scene.run("deliveries", "list").stdout
    expired = "GitHub does not accept forges.github.token"
    lacking = "GitHub does not let forges.github.token open a pull request"
    for reason in (expired, lacking):
        assert reason in bridge.said
        assert f"parked: {reason}" in " ".join(listed.split())
    assert {delivery.state for delivery in scene.deliveries()} == {DeliveryState.PARKED}

    for delivery in scene.deliveries():
        assert scene.run("deliveries", "redeliver", delivery.id).returncode == 0
    until(lambda: len(scene.pulls()) == 2, "what was redelivered was not proposed", bridge)
    scene.until_settled()
    assert {delivery.state for delivery in scene.deliveries()} == {DeliveryState.DONE}
    assert not scene.stuck()


def test_a_repository_that_hangs_holds_up_no_other(scene: Scene) -> None:
    hanging = {"type": "github", "url": scene.github.url, "token": "${GITHUB_TOKEN}"}
    scene.configure(
        mapping("sick", "github:acme/support-bot"),
        mapping("well", "local:acme/support-bot"),
        forges={"github": {**hanging, "timeout": "2m"}},
        workers=6,
    )
    scene.github.faults.add("/", time_out(), times=1000)
    bridge = scene.serve()

    for number in range(12):
        scene.save(f"prompt-{number}", f"Text {number}")

    until(lambda: len(scene.local.every_pull_request()) == 12, "the well one waited", bridge)
    assert not scene.pulls()
    assert {sent.status for sent in scene.webhooks.sent} == {202}
    gave_up = re.search(r"sick/\S+?(:| waits| is parked)", bridge.said)
    assert not gave_up, "the sick one gave up instead of hanging"
