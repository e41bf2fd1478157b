"""``bridge.yaml``: its models, its loader, and the detection of changes.

``bridge_config`` has the model of the whole file and loads it; ``mapping_settings`` has that of one
mapping. ``config_text`` reads the YAML and reports each mistake with file and line. ``file_watch``
detects changed files; ``reloadable_settings`` says which settings take effect only at the next
start. What is built from a configuration is in ``bridge.wiring``.
"""
