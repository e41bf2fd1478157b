"""What to do about the difference of both sides, decided without any network, disk or clock.

Read ``plan`` first: what was observed of one proposal becomes one plan.
``publication`` decides what goes to PromptLayer.

Who observes, and who carries the plan out, is in ``bridge.reconcile``.
"""
