"""Announce to the configured webhooks what needs a person: each item once, grouped into one message per
interval, and again with growing pauses where a webhook fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.config.notify_settings import NotifySettings, NotifyWebhookSettings
from bridge.engine.controller import BridgeController
from bridge.errors import TransientError
from bridge.notify.notification_message import (
    compute_message_id,
    render_json,
    render_slack,
    sign_message,
)
from bridge.notify.send_notification import get_host, send_notification
from bridge.status.notification_store import NotificationItem, WebhookRetry, compute_webhook_id
from bridge.status.problems import ANY_MAPPING, ProblemKind
from bridge.storage.backoff import compute_backoff_delay

log = logging.getLogger("bridge.notify")


@dataclass(frozen=True)
class ProblemNotifier:
    controller: BridgeController

    def send_due(self) -> int:
        """Send the messages that are due; returns how many were taken. The failure of a webhook is
        an open problem until it takes a message."""
        settings = self.controller.notifications.settings
        failures, taken = dict[str, str](), 0
        for webhook in settings.webhooks:
            url = webhook.url.get_secret_value()
            subject = f"{get_host(url)} ({compute_webhook_id(url)[:6]})"
            try:
                taken += self._send_due(webhook, settings)
            except TransientError as error:
                failures[subject] = str(error)
        self.controller.store.problems.replace(ANY_MAPPING, ProblemKind.NOTIFY, failures)
        return taken

    def _send_due(self, webhook: NotifyWebhookSettings, settings: NotifySettings) -> int:
        """Send the message to one webhook, if one is due. Raises TransientError where the webhook
        fails, and while the pause after a failure lasts."""
        store, now = self.controller.store.notifications, self.controller.clock()
        id = compute_webhook_id(webhook.url.get_secret_value())
        retry = store.read_retry(id)
        if retry.not_before is not None and now < retry.not_before:
            if retry.problem is not None:
                raise TransientError(retry.problem)
            return 0
        items = store.find_unannounced(id, self.controller.contexts.keys(), settings.kinds)
        if not items:
            return 0
        try:
            self._post(webhook, items, now)
        except TransientError as error:
            attempts = retry.attempts + 1
            pause = timedelta(seconds=compute_backoff_delay(attempts, error.retry_after))
            log.warning("%s", error)
            store.record_failure(id, WebhookRetry(attempts, now + pause, str(error)))
            raise
        store.record_announced(id, items, now, now + settings.interval)
        log.info("%d items that need a person were announced", len(items))
        return 1

    def _post(
        self, webhook: NotifyWebhookSettings, items: list[NotificationItem], now: datetime
    ) -> None:
        url, headers = webhook.url.get_secret_value(), dict[str, str]()
        if webhook.format == "slack":
            body = render_slack(items)
        else:
            id = compute_message_id(compute_webhook_id(url), items)
            body, timestamp = render_json(id, items, now), f"{now.timestamp():.0f}"
            secret = webhook.secret.get_secret_value() if webhook.secret else ""
            headers = {
                "webhook-id": id,
                "webhook-timestamp": timestamp,
                "webhook-signature": sign_message(secret, id, timestamp, body),
            }
        send_notification(url, headers, body, self.controller.notifications.authorities)
