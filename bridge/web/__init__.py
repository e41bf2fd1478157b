"""The web server: it receives webhooks and serves pages and metrics.

``app`` has the routes. ``receive_promptlayer_webhook`` and ``receive_forge_webhook`` verify each
delivery, store it in the inbox and answer with 202; ``bridge.engine.dispatcher`` takes it from
there. ``dashboard`` and the modules that end in ``_pages`` show the tables of ``bridge.status``;
``session_guard`` and ``sign_in`` decide who may open them. ``probes`` and ``process_metrics`` serve
Kubernetes and Prometheus.
"""
