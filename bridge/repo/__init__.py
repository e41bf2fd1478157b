"""Git without a working tree: the mirror, the commit, the push."""

import os

# GitPython raises on import where git is missing; we would rather say what to do about it.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
