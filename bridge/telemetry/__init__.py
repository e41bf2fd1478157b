"""How the bridge tells of itself: log lines, and the trail of one delivery through them.

``logs`` sets logging up, as text or JSON, without secrets. ``log_context`` names what a step is
about: everything that is logged within carries the delivery, mapping and proposal.
``opentelemetry`` sends the same steps as spans to a collector. Metrics are in
``bridge.web.process_metrics``.
"""
