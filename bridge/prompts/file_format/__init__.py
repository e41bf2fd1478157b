"""The prompt file: how a prompt is written as YAML, and read back with the place of every mistake.

Read ``document`` first: the fields of a file and what they mean.
Where text is YAML only in part, ``source_text`` knows the line of everything.

Who reads and writes such files is in ``bridge.reconcile``.
"""
