"""Evaluation results: read, judged, reported on the pull request and recorded in PromptLayer.

``read_results`` recognises the format of a results file; ``junit_reader``, ``promptfoo_reader`` and
``plain_reader`` read one each into the values of ``eval_run``. ``promptlayer_evaluations`` runs
evaluations in PromptLayer and waits for them, ``promptlayer_recorders`` records results of other
tools in PromptLayer, ``verdict_report`` renders the text for the pull request. The commands that
use them are in ``bridge.cli``: ``evals_app`` and ``evals_command``.
"""
