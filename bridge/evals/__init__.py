"""Evaluation results: read, judged, told on the pull request and put into PromptLayer.

``readers`` recognises the format of a results file; ``junit``, ``promptfoo`` and ``plain`` read
one each into the values of ``results``. ``running`` runs evaluations in PromptLayer and waits for
them, ``recording`` puts results of elsewhere into PromptLayer, ``report`` writes the text for
the pull request. The commands that use them are in ``bridge.cli``: ``evals`` and ``evaluating``.
"""
