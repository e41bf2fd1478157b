"""The tables behind the dashboard, ``status`` and the metrics: the status of each target, its
history, open problems, sums by day.

The engine writes them in the transaction that settles its work; no decision about a proposal needs
them. ``status_reader`` answers the queries of the pages and commands. Read ``target_status`` first,
which is one target as it is shown, then ``target_status_store``, which writes it. The pages are in
``bridge.web``.
"""
