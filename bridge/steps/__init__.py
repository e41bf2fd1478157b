"""The stages of reconciling one proposal, and what belongs to a whole mapping.

Begin with ``reconcile``: observe → diff → decide → apply. Observing is ``proposal_state``, with
``observe`` for both sides of targets. Comparing is ``look`` for the proposal and ``eye`` for each
of its targets, with ``ancestry``, ``approval`` and ``target_edit``. Deciding is
``bridge.prompts.plan``. Applying is ``carry_out`` with ``branch``, and ``publish``, ``decision``
and ``write_back``.

``site`` is one mapping with its platform, forge and mirror. ``scan`` compares all of a mapping,
``survey`` plans what to publish of it, ``following`` follows a push, ``review`` comments on an
engineer's pull request. Who calls them is ``bridge.engine``.
"""
