"""Releases of generated prompts, with PromptLayer's answers for them, as the bridge stores them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from bridge.prompts.prompt import LATEST
from bridge.sandbox.prompt_responses import build_resolved_response
from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseRecord,
    ReleaseSnapshot,
)
from bridge.serve.release_store import build_answer
from tests.bench.generated_prompts import filled

SOURCE = "promptlayer"  # of the only workspace
COMMIT = "c" * 40
RELEASED_AT = datetime(2026, 1, 2, tzinfo=UTC)
_UNRENDERED = {"skip_input_variable_rendering": True}


def generate_releases(count: int, mapping: str) -> Iterator[tuple[ReleaseRecord, PromptAnswer]]:
    """Of so many prompts: the release of the newest version, confirmed just now, and its answer."""
    registry, now = filled(count), datetime.now(UTC)
    for id, entry in registry.entries.items():
        version = entry.latest
        content = build_resolved_response(registry, entry, version, _UNRENDERED)
        answer = build_answer(AnswerKey(SOURCE, id, version.number), json.dumps(content).encode())
        key, path = ReleaseKey(SOURCE, id, LATEST), f"prompts/{entry.name}.yaml"
        release = PromptRelease(
            key, entry.name, version.number, mapping, COMMIT, path, RELEASED_AT, now
        )
        yield ReleaseRecord(release, digest=f"{id:064x}", blob=f"{id:040x}"), answer


def generate_snapshot(count: int, mapping: str) -> ReleaseSnapshot:
    """Everything that is served, of so many prompts."""
    found = list(generate_releases(count, mapping))
    releases = [record.release for record, _ in found]
    return ReleaseSnapshot(
        1,
        {release.key: release for release in releases},
        {answer.key: answer for _, answer in found},
        ids_by_name={(SOURCE, release.name): release.key.prompt_id for release in releases},
    )
