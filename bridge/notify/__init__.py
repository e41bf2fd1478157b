"""Notifications about what needs a person, sent to webhooks.

``notification_message`` renders the message of a signed webhook or of a Slack-compatible incoming
webhook, ``send_notification`` posts it. Neither reads the database: ``bridge.status.notification_store``
finds what is to be announced and stores what was, and ``bridge.engine.problem_notifier`` sends it,
grouped and with retries.
"""
