"""PromptLayer's side: its webhooks and its REST API.

``signature`` verifies a webhook and ``events`` parses it; ``bridge.web.receive`` calls both.
``client`` asks PromptLayer for prompts and versions, ``answers`` checks what comes back, and
``writing`` makes versions and moves labels. ``kept_pages`` shares list pages among mappings of
one workspace. What a prompt is to the bridge is in ``bridge.prompts.prompt``.
"""
