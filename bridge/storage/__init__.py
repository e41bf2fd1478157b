"""The database: its connection, migrations, and the tables that belong to nobody else.

``database`` opens it and runs transactions; ``migrations`` brings an older one up to date.
``inbox`` stores deliveries until they are dispatched and finds doubled ones. ``backoff`` and
``rate_limits`` remember when to leave a forge alone, ``instances`` and ``advisory_locks`` let
several processes share one database. The dispatcher in ``bridge.engine`` reads the inbox; the
tables that people read are in ``bridge.status``.
"""
