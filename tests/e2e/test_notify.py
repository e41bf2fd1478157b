"""A running bridge announces what needs a person, by settings it takes over while it runs."""

from __future__ import annotations

import signal

from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ON_DISK, ProductEnvironment, mapping
from tests.integration.lifecycle.test_notifications import NotificationReceiver
from tests.standins.serve_app import serve

LOST = mapping("lost", "local:acme/not-there", path="lost/{prompt}.yaml")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def notify(url: str) -> dict[str, object]:
    return {"webhooks": [{"url": f"{url}/T0KEN", "secret": SECRET}], "interval": "1s"}


def test_a_message_is_sent_once_over_a_reload_and_a_kill_and_a_failure_is_in_status(
    environment: ProductEnvironment,
) -> None:
    receiver = NotificationReceiver(status=500)
    with serve(receiver) as url:
        environment.configure(ON_DISK, LOST)
        bridge = environment.serve()
        bridge.until_it_says("sweep of lost:")
        environment.configure(ON_DISK, LOST, notify=notify(url))
        bridge.process.send_signal(signal.SIGHUP)
        until(lambda: bool(receiver.requests), "nothing is sent", bridge)
        until(
            lambda: "not notified: 127.0.0.1" in environment.run("status").stderr,
            "status does not show the failure",
            bridge,
        )
        receiver.status = 200
        bridge.until_it_says("1 items that need a person were announced")
        taken = len(receiver.requests)

        bridge.kill()
        again = environment.serve()
        again.until_it_says("sweep of lost:")
        environment.configure(
            ON_DISK,
            LOST,
            mapping("gone", "local:acme/gone", path="gone/{prompt}.yaml"),
            notify=notify(url),
        )
        again.process.send_signal(signal.SIGHUP)
        again.until_it_says("1 items that need a person were announced")

    (first,), (second,) = receiver.items()[taken - 1], receiver.items()[-1]
    assert first == second == ("not compared", "sweep")
    named = [message["data"]["items"][0]["mapping"] for message in receiver.messages]
    assert named[taken - 1 :] == ["lost", "gone"]
    assert "T0KEN" not in environment.logs
    assert again.end() == 0
