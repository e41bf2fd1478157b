"""Keeps PromptLayer and git in step. docs/architecture.md shows the whole picture."""

__version__ = "0.1.0"
