"""Keeps PromptLayer and git in step. See README.md for the whole picture."""

__version__ = "0.1.0"
