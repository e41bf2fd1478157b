"""PromptLayer's webhooks and its REST API.

``webhook_signature`` verifies a webhook and ``webhook_events`` parses it;
``bridge.web.receive_promptlayer_webhook`` calls both. ``client`` reads prompts and versions,
``response_models`` validates the responses, and ``publish_version`` creates versions and moves
labels. ``page_cache`` shares list pages among mappings of one workspace. The bridge's own model of
a prompt is ``bridge.prompts.prompt``.
"""
