"""What counts to 0 counts faults that are planted: a bridge that does wrong is seen to do so."""

from __future__ import annotations

import pytest

from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.target import Target
from bridge.reconcile.ancestry import AncestorFinder, CommonAncestor
from bridge.reconcile.read_sources import PlatformPrompt
from bridge.sandbox.publish_requests import API_USER
from tests.model.judge import FALSE_CONFLICT, LOOP_EXTRA, LOST, MISSING, UNDONE
from tests.model.looks import Bridge, Look, LookKind
from tests.model.page import PROD
from tests.model.people import Act
from tests.model.run import BridgeOf, Round, Script, play

PROMPT = 2  # after the one that nobody touches
SEED = 0  # moves the label to the newest of two versions


def script(*names: str) -> Script:
    """One act of a prompt at both labels in each round."""
    sweep = Look(LookKind.SWEEP)
    return Script({0: "both labels"}, tuple(Round((Act(0, name, SEED),), sweep) for name in names))


def counts(some: Script, bridge_of: BridgeOf = Bridge) -> dict[str, int]:
    return play(some, bridge_of).counts


class EchoingBridge(Bridge):
    """Publishes what it has just published once more."""

    def look(self, look: Look) -> None:
        super().look(look)
        for entry in self.environment.registry.entries.values():
            if entry.latest.author == API_USER:
                self.environment.registry.save_version(
                    entry.name, entry.latest.template, actor=API_USER
                )


class RestoringBridge(Bridge):
    """Takes a label back to where it saw it last, whoever moved it."""

    seen = 0

    def look(self, look: Look) -> None:
        entry = self.environment.registry.entries[PROMPT]
        if self.seen:
            self.environment.registry.move_label(PROMPT, PROD, self.seen, actor=API_USER)
        super().look(look)
        self.seen = entry.labels[PROD].version


class OverwritingBridge(Bridge):
    """Publishes the first version over what somebody has just saved."""

    def look(self, look: Look) -> None:
        entry = self.environment.registry.entries[PROMPT]
        if len(entry.versions) > 1:
            self.environment.registry.save_version(
                entry.name, entry.versions[0].template, actor=API_USER
            )
        super().look(look)


class QuarrellingBridge(Bridge):
    """Calls every proposal a conflict."""

    def look(self, look: Look) -> None:
        super().look(look)
        for pull in self.environment.repository.open():
            self.environment.repository.edit(
                pull, body=f"Both sides changed the same part.\n\n{pull.body}"
            )


def find_named_version(
    ancestry: AncestorFinder,
    _target: Target,
    platform_prompt: PlatformPrompt,
    file: BaseBranchFile | None,
) -> CommonAncestor | None:
    """The version that a file names, as if that were what both sides agreed on last."""
    number = file.prompt.version if file and file.prompt else None
    if number is None or platform_prompt.prompt is None or platform_prompt.prompt.id is None:
        return None
    named = ancestry.context.promptlayer.find_prompt(platform_prompt.prompt.id, version=number)
    if named is None:
        return None
    return CommonAncestor(
        Agreement(named.digest, named.digest, number, None), {named.digest: named}
    )


def test_the_bridge_itself_is_counted_to_nothing() -> None:
    assert not any(counts(script("edit")).values())
    assert not any(counts(script("edit", "edit")).values())
    assert not any(counts(script("save", "move_label")).values())


def test_an_echo_is_counted_as_extra() -> None:
    assert counts(script("edit"), EchoingBridge)[LOOP_EXTRA] > 0


def test_a_label_that_is_moved_back_over_a_rollback_is_counted_as_undone() -> None:
    assert counts(script("save", "move_label"), RestoringBridge)[UNDONE] > 0


def test_a_text_that_is_overwritten_is_counted_as_lost() -> None:
    assert counts(script("save"), OverwritingBridge)[LOST] > 0


def test_a_conflict_where_one_side_alone_moved_is_counted_as_false() -> None:
    assert counts(script("save"), QuarrellingBridge)[FALSE_CONFLICT] > 0


def test_an_ancestor_that_the_file_names_is_seen_by_its_conflicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AncestorFinder, "find", find_named_version)

    found = counts(script("edit", "edit"))

    assert found[FALSE_CONFLICT] > 0
    assert found[MISSING] > 0
