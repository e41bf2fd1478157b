"""The unit of reconciling: a target, and the proposal that carries it.

Pure values; they travel through queues and tables as plain text and numbers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Target:
    """One prompt as one mapping follows it: one file of one repository."""

    mapping: str
    prompt_id: int
    label: str  # LATEST or a release label


@dataclass(frozen=True, order=True)
class Proposal:
    """One branch of one mapping, and so one pull request. The branch is its identity: all
    targets that render to the same branch are proposed together."""

    mapping: str
    branch: str
