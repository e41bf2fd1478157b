"""The database: its connection, its migrations, and the tables of deliveries, instances and limits.

``database`` opens it and runs transactions; ``migrations`` upgrades its schema. ``inbox`` stores
deliveries until they are dispatched, each once. ``backoff`` and ``rate_limits`` store for how long
a forge gets no requests; ``instances`` and ``advisory_locks`` coordinate the processes that share
one database. The dispatcher in ``bridge.engine`` reads the inbox; the tables behind the dashboard
are in ``bridge.status``.
"""
