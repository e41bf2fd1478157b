"""A request to confirm the releases of a mapping: a value that later requests are merged into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.prompts.target import Target
from bridge.reconcile.scan_mapping import MappingScan


@dataclass(frozen=True)
class ConfirmationRequest:
    """``targets`` were reconciled or pushed, and are tried again if they are in doubt. ``versions``
    are what PromptLayer had for targets a moment ago: the number, and the digest where that was
    compared. With ``is_complete`` a whole mapping was: all doubts are tried again, and what is not
    there any more ends."""

    targets: frozenset[Target] = frozenset()
    versions: Mapping[Target, tuple[str, int]] = field(default_factory=dict)
    left_out: frozenset[Target] = frozenset()  # by the mapping's settings
    is_complete: bool = False

    def merge(self, later: ConfirmationRequest) -> ConfirmationRequest:
        """Both in one."""
        return ConfirmationRequest(
            self.targets | later.targets,
            {**self.versions, **later.versions},
            later.left_out if later.is_complete else self.left_out,
            self.is_complete or later.is_complete,
        )


def build_scan_request(scan: MappingScan) -> ConfirmationRequest:
    """What a scan of the whole mapping tells."""
    agreed = {
        target: (each.platform, each.version)
        for target, each in scan.agreements.items()
        if each.platform is not None and each.version is not None
    }
    listed = {
        target: ("", prompt.version)
        for target, prompt in scan.listed_prompts.items()
        if prompt.version is not None
    }
    left_out = {
        target
        for target, each in scan.unlisted.items()
        if each.left_out_by is not None and not each.fits
    }
    return ConfirmationRequest(
        versions={**listed, **agreed}, left_out=frozenset(left_out), is_complete=True
    )
