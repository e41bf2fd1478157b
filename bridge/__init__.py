"""Keeps PromptLayer and git in step.

A webhook comes in by ``bridge.web``, is stored by ``bridge.storage``, and taken up by
``bridge.engine``, which calls ``bridge.reconcile.reconcile_proposal`` for each proposal. What is
decided there is computed in ``bridge.prompts`` and done through ``bridge.repo``, ``bridge.forge``
and ``bridge.promptlayer``. ``bridge.wiring`` builds all of them from the configuration.

docs/architecture.md shows the whole picture, and the files that one edit passes.
"""

__version__ = "0.1.0"
