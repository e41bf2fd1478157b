"""The web server: webhooks in, pages and metrics out.

``app`` has the routes. ``receive`` takes PromptLayer's webhooks and ``forge_receive`` those of
the forges: each is verified, stored in the inbox and answered with 202; from there on
``bridge.engine.dispatcher`` has it. ``dashboard`` and the modules that end in ``_pages`` show what
``bridge.books`` knows, ``guarded`` and ``sign_in`` decide who sees them. ``probes`` and
``metrics`` are for machines.
"""
