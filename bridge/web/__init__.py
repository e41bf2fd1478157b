"""The web server: webhooks in, pages and metrics out.

``app`` has the routes. ``receive_promptlayer_webhook`` takes PromptLayer's webhooks and
``receive_forge_webhook`` those of the forges: each is verified, stored in the inbox and answered
with 202; from there on ``bridge.engine.dispatcher`` has it. ``dashboard`` and the modules that end
in ``_pages`` show what ``bridge.status`` knows, ``session_guard`` and ``sign_in`` decide who sees
them. ``probes`` and ``process_metrics`` are for machines.
"""
