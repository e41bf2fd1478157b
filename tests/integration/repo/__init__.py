"""Git for real: bare repositories on this disk and behind HTTP."""
