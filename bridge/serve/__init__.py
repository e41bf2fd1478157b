"""Answers applications: the version of a prompt that the base branch names, from memory.

``release`` has the values, ``release_index`` holds them in memory, ``release_store`` in the
database. ``confirm_releases`` brings them up to date behind every reconcile and resync. The
endpoints read the index alone, so no database and no PromptLayer is in the path of a read.
``log_queue`` takes applications' logs, ``relay`` passes other requests through.

Go on with bridge.serve.release, then bridge.serve.release_index; bridge.web.app mounts the
endpoints, and bridge.config.serve_settings has the settings.
"""
