"""The stages of reconciling one proposal, and what belongs to a whole mapping.

Begin with ``reconcile_proposal``: observe → diff → decide → apply. Observing is
``proposal_state``, with ``read_sources`` for both sides of targets. Comparing is
``observe_proposal`` for the proposal and ``diff_targets`` for each of its targets, with
``ancestry``, ``approval`` and ``target_edit``. Deciding is ``bridge.prompts.planning.plan``.
Applying is ``apply_plan`` with ``proposal_branch``, and ``publish_files``, ``decision_labels`` and
``write_back_ids``.

``mapping_context`` is one mapping with its platform, forge and mirror. ``scan_mapping`` compares
all of a mapping, ``publish_plan`` plans what to publish of it, ``push_changes`` follows a push,
``review_comment`` comments on an engineer's pull request. Who calls them is ``bridge.engine``.
"""
