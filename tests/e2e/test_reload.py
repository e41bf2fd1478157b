"""A running bridge and its configuration: SIGHUP, changed files, and deliveries all the while."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2

from bridge.promptlayer.signature import HEADER, sign
from bridge.prompts.prompt import JsonObject
from bridge.web.app import WEBHOOK_PATH
from tests.e2e.processes import until
from tests.e2e.scene import ON_DISK, REPOSITORY, SECRET, Scene, mapping

SOME = {**ON_DISK, "prompts": ["greeting"]}
SALES = mapping("sales", f"local:{REPOSITORY}", prompts=["pitch"], path="sales/{prompt}.yaml")


def payload(number: int) -> JsonObject:
    return {
        "event_type": "prompt_template_version_created",
        "workspace_id": 1,
        "timestamp": (datetime.now(UTC) + timedelta(seconds=number)).isoformat(),
        "details": {
            "prompt_template_id": 10_000 + number,
            "prompt_template_name": "of-nobody",
            "prompt_template_version_number": 1,
        },
    }


@contextmanager
def stream_of_deliveries(scene: Scene, answers: dict[str, int]) -> Iterator[None]:
    """Deliver one after the other while this lasts; each answer's status by the delivery."""
    over = threading.Event()

    def deliver() -> None:
        with httpx2.Client(timeout=20) as client:
            for number in range(100_000):
                if over.is_set():
                    return
                told = payload(number)
                headers = {HEADER: sign(told, SECRET)}
                body = json.dumps(told)
                answer = client.post(scene.address + WEBHOOK_PATH, content=body, headers=headers)
                over.wait(0.01)
                answers[answer.json().get("delivery", f"number {number}")] = answer.status_code

    sender = threading.Thread(target=deliver)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def _more_than(answers: dict[str, int], count: int) -> bool:
    return len(answers) > count


def test_a_bridge_takes_over_new_files_and_refuses_bad_ones_under_a_stream_of_deliveries(
    scene: Scene,
) -> None:
    scene.configure(SOME)
    bridge = scene.serve_swept()
    scene.save("pitch", "Be brief.")
    answers: dict[str, int] = {}

    with stream_of_deliveries(scene, answers):
        scene.configure({**SOME, "brunch": "x"})
        bridge.process.send_signal(signal.SIGHUP)
        bridge.until_it_says("mappings[0].brunch: this setting is not known")
        for times in (1, 2, 3):
            enough = len(answers) + 20
            until(partial(_more_than, answers, enough), "nothing is delivered", bridge)
            scene.configure(SOME, quiet=f"{times}00ms")
            bridge.process.send_signal(signal.SIGHUP)
            bridge.until_it_says("the configuration is taken over", times)
        scene.configure(SOME, SALES)  # nobody says so: it is seen
        bridge.until_it_says("mappings new or changed: sales")

    scene.until_settled()
    assert set(answers.values()) == {202}
    kept = {delivery.id for delivery in scene.deliveries(10_000)}
    assert kept >= answers.keys()
    bridge.until_it_says("sweep of sales")
    scene.until_settled()
    (pull,) = scene.local.open_pull_requests("promptlayer/")
    assert pull.head.startswith("promptlayer/sales/")
    assert bridge.end() == 0
