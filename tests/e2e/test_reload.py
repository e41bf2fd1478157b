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

from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.prompt import JsonObject
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ON_DISK, REPOSITORY, SECRET, ProductEnvironment, mapping

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
def stream_of_deliveries(
    environment: ProductEnvironment, answers: dict[str, int]
) -> Iterator[None]:
    """Deliver one after the other while this lasts; each answer's status by the delivery."""
    over = threading.Event()

    def deliver() -> None:
        with httpx2.Client(timeout=20) as client:
            for number in range(100_000):
                if over.is_set():
                    return
                told = payload(number)
                headers = {SIGNATURE_HEADER: sign_payload(told, SECRET)}
                body = json.dumps(told)
                answer = client.post(
                    environment.address + PROMPTLAYER_WEBHOOK_PATH, content=body, headers=headers
                )
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
    environment: ProductEnvironment,
) -> None:
    environment.configure(SOME)
    bridge = environment.serve_swept()
    environment.save("pitch", "Be brief.")
    answers: dict[str, int] = {}

    with stream_of_deliveries(environment, answers):
        environment.configure({**SOME, "brunch": "x"})
        bridge.process.send_signal(signal.SIGHUP)
        bridge.until_it_says("mappings[0].brunch: this setting is not known")
        for times in (1, 2, 3):
            enough = len(answers) + 20
            until(partial(_more_than, answers, enough), "nothing is delivered", bridge)
            environment.configure(SOME, quiet=f"{times}00ms")
            bridge.process.send_signal(signal.SIGHUP)
            bridge.until_it_says("the configuration is taken over", times)
        environment.configure(SOME, SALES)  # nobody says so: it is seen
        bridge.until_it_says("mappings new or changed: sales")

    environment.until_settled()
    assert set(answers.values()) == {202}
    kept = {delivery.id for delivery in environment.deliveries(10_000)}
    assert kept >= answers.keys()
    bridge.until_it_says("sweep of sales")
    environment.until_settled()
    (pull,) = environment.local.list_open_pull_requests("promptlayer/")
    assert pull.head_branch.startswith("promptlayer/sales/")
    assert bridge.end() == 0
