"""The TLS context of every connection of the bridge, and the errors of connections.

``trust`` builds the TLS context from the system's certificates and those of the configuration.
``failures`` turns failed connections into the errors of ``bridge.errors``, with what a person can
do about it. The clients that use both are in ``bridge.promptlayer`` and ``bridge.forge``.
``read_body`` reads the requests to the bridge's own server, within limits.
"""
