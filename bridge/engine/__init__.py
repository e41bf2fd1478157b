"""Turn deliveries into reconciles and jobs, and run them from durable queues.

``background_loops`` runs the loops beside the queues; one of them calls ``dispatcher``, which
takes new deliveries out of the inbox and enqueues the work that they ask for. ``durable_queues`` has the jobs and says
when they run. Each job calls one of three classes: ``reconciler`` for a proposal, ``resync`` for
a whole mapping, ``repository_job_runner`` for a push or the review of a pull request. They share
``controller``; ``reconcile_store`` stores requested reconciles and their outcomes.

From ``reconciler`` the reader goes on to ``bridge.reconcile.reconcile_proposal``.
"""
