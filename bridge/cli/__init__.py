"""The command line: ``promptlayer-bridge``."""

from bridge.cli.app import main

__all__ = ["main"]
