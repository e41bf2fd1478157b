"""Turns deliveries into work, and does it in durable queues.

``background_loops`` runs the loops beside the queues; one of them calls ``dispatcher``, which
takes new deliveries out of the inbox and asks for work. ``durable_queues`` has the jobs and says
when they run. Each job calls one of three classes: ``reconciler`` for a proposal, ``resync`` for
the sweep of a mapping, ``errand_run`` for a push or the review of a pull request. ``controller``
is what they share; ``reconcile_store`` stores what waits and what came of it.

From ``reconciler`` the reader goes on to ``bridge.reconcile.reconcile_proposal``.
"""
