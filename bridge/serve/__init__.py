"""Answers applications: the version of a prompt that the base branch names, from memory.

``release`` has the values, ``release_index`` holds them in memory, ``release_store`` in the
database, and ``release_replica`` brings one up to date with the other. ``release_confirmer``
confirms a mapping behind its reconciles, resyncs and pushes. ``template_endpoints`` and
``prompt_endpoints`` read the index alone, so no database and no PromptLayer is in the path of a
read. ``log_endpoints`` takes applications' logs, ``send_logs`` delivers them, ``relay`` passes
other requests through.

Go on with bridge.serve.release, then bridge.serve.release_confirmer; bridge.cli.serve_command
mounts the endpoints, and bridge.config.serve_settings has the settings.
"""
