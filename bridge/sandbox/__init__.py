"""Stand-ins for PromptLayer and for a forge's pages, and the demo that runs on them.

``promptlayer_app`` is the application that serves the API, over the prompts in ``registry``;
``event_announcer`` sends its webhooks. ``forge_page`` shows the pull requests of the local forge.
``demo`` starts all of it with a bridge between, for the commands in
``bridge.cli``. The tests use the same stand-in; a bridge that runs for real uses none of this.
"""
