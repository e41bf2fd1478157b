"""What people read about the bridge's work, as tables: how each target stands, the history of each,
open problems, sums by day.

The engine writes them in the transaction that settles its work; nothing in them is needed to go on
with that work. ``status_reader`` answers what the pages, ``status`` and the metrics ask. Read
``target_status`` first, which is one target as it is shown, then ``target_status_store``, which
writes it. What the pages make of them is in ``bridge.web``.
"""
