"""Log lines and traces, each with the delivery, mapping and proposal that it belongs to.

``logs`` sets logging up, as text or JSON, with secrets masked. ``log_context`` adds the delivery,
mapping and proposal of a step to every line that is logged within it. ``opentelemetry`` sends the
same steps as spans to a collector. Metrics are in ``bridge.web.process_metrics``.
"""
