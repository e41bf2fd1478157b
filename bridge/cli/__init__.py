"""The command line: ``promptlayer-bridge``.

``app`` has the commands with their options and help; it imports the module of a command only when
that command runs, so that a page of help waits for no library. The other modules do one command
each: ``serve_command`` is ``serve``, ``plan_command`` is ``plan``, ``publish_command`` is
``publish``. Everything they work with is built by ``bridge.wiring``.
"""

from bridge.cli.app import main

__all__ = ["main"]
