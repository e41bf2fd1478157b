"""Every target, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import (
    application_targets,
    log_targets,
    parser_targets,
    renderer_targets,
    webhook_targets,
)
from tests.fuzz.fuzz_target import AnyTarget

TARGETS: Mapping[str, AnyTarget] = {
    each.name: each
    for each in (
        *webhook_targets.TARGETS,
        *parser_targets.TARGETS,
        *renderer_targets.TARGETS,
        *application_targets.TARGETS,
        *log_targets.TARGETS,
    )
}
