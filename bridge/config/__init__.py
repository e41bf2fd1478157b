"""``bridge.yaml``: its models, how it is read, and how changes of it are noticed.

``bridge_config`` has the model of the whole file and loads it; ``mapping_settings`` has that of
one mapping. ``config_text`` reads the YAML and tells each mistake with its file and line.
``file_watch`` notices that a file changed; ``reloadable_settings`` says which changed settings
have to wait for the next start. What is built from a configuration is in ``bridge.wiring``.
"""
