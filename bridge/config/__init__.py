"""``bridge.yaml``: its models, how it is read, and how changes of it are noticed."""
