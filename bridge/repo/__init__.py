"""Git without a working tree: the mirror, the commit, the push.

``mirror`` fetches a bare, shallow copy without file contents; ``snapshot`` reads one commit of it.
``commit`` writes commits as objects, and ``push_branch`` pushes them with a lease. ``git_process``
runs git, and ``git_errors`` turns what git says into the errors of ``bridge.errors``. Who calls
them is in ``bridge.reconcile``: ``proposal_branch`` writes a proposal's branch.
"""

import os

# GitPython raises on import where git is missing; we would rather say what to do about it.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
