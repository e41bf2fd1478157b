"""Evaluation results: read, judged, told on the pull request and put into PromptLayer."""
