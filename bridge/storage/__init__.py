"""The database: its connection, migrations, and the tables that belong to nobody else.

``database`` opens it and runs transactions; ``migrations`` brings an older one up to date.
``inbox`` stores deliveries until they are dispatched and finds doubled ones. ``restraint`` and
``budgets`` remember when to leave a forge alone, ``members`` and ``turns`` let several processes
share one database. The dispatcher in ``bridge.engine`` reads the inbox; the tables that people
read are in ``bridge.books``.
"""
