"""PromptLayer's side: its webhooks and its REST API.

``webhook_signature`` verifies a webhook and ``webhook_events`` parses it;
``bridge.web.receive_promptlayer_webhook`` calls both. ``client`` asks PromptLayer for prompts and
versions, ``response_models`` checks what comes back, and ``publish_version`` makes versions and
moves labels. ``page_cache`` shares list pages among mappings of one workspace. What a prompt is to
the bridge is in ``bridge.prompts.prompt``.
"""
