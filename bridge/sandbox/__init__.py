"""Stand-ins for PromptLayer and for a forge's pages, and the demo that runs on them.

``promptlayer_app`` serves PromptLayer's API over the prompts in ``registry``; ``event_announcer``
sends its webhooks. ``forge_page`` shows the pull requests of the local forge. ``demo`` starts all
of them with a bridge in between, for ``bridge.cli.demo_command``. The tests use the same stand-ins;
``serve`` and ``work`` use none of this.
"""
