"""What every connection of the bridge needs: whom it trusts, and how its failures are told.

``trust`` makes the TLS context from the system's certificates and those of the configuration.
``failures`` turns what goes wrong with a connection into the errors of ``bridge.errors``, with
what a person can do about it. The clients that use both are in ``bridge.promptlayer`` and
``bridge.forge``. ``read_body`` reads what is sent to the bridge's own server, within limits.
"""
