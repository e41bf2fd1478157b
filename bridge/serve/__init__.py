"""Answers applications: the version of a prompt that the base branch names, from memory.

``release`` has the values, ``release_index`` holds them in memory, ``release_store`` in the
database. ``release_confirmer`` brings them up to date behind every reconcile and resync.
``template_endpoints`` and ``prompt_endpoints`` read the index alone, so no database and no
PromptLayer is in the path of a read; ``serve_routes`` has their paths.
``log_queue`` takes applications' logs, ``relay`` passes other requests through.

Go on with bridge.serve.release, then bridge.serve.release_index; bridge.cli.serve_command
mounts the endpoints, and bridge.config.serve_settings has the settings.
"""
