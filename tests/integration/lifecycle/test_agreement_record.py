"""The record of what both sides agreed on: shared by whoever may push, and never needed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.prompts.agreement import Agreement
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.steps import reconcile
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.site import Site
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_agreement import PROD, prod_on, record, started
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import MakeWorld, World
from tests.standins.git_http import git

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)

REF = "refs/promptlayer-bridge/agreements/support"
TARGET = Target("support", 1, LATEST)


def recorded(world: World, path: str = "1/latest") -> dict[str, Any] | None:
    """What the repository's record says of a target."""
    if not git(world.place.repository, "for-each-ref", REF):
        return None
    if path not in git(world.place.repository, "ls-tree", "-r", "--name-only", REF).splitlines():
        return None
    told: dict[str, Any] = json.loads(git(world.place.repository, "show", f"{REF}:{path}"))
    return told


def writes(world: World) -> int:
    """How often the record was written."""
    if not git(world.place.repository, "for-each-ref", REF):
        return 0
    return int(git(world.place.repository, "rev-list", "--count", REF))


@on_every_forge
def test_what_both_sides_say_is_recorded_once(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))

    told, before = recorded(world), writes(world)
    world.sweep()
    world.place.commit({"src/bot.py": b"print()\n"})
    world.sweep()

    assert told is not None
    assert told["platform"] == told["repository"] == world.held().digest
    assert told["version"] == 1
    assert writes(world) == before


@on_every_forge
def test_what_is_only_proposed_is_not_recorded(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    before = writes(world)

    world.save("Answer briefly.")
    world.settle()
    world.save("Answer at length.")
    world.settle()

    assert world.proposed() == "Answer at length."
    assert writes(world) == before


@on_every_forge
def test_a_version_that_was_made_is_recorded_at_once(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))

    edited(world, "kindly", "briefly")
    world.sweep()

    told = recorded(world)
    assert told is not None
    assert (told["version"], told["repository"]) == (2, world.held().digest)


@on_every_forge
def test_a_decline_is_recorded(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    world.save("Answer briefly.")
    world.settle()
    world.place.close(world.pull_request().number)

    world.sweep()

    told = recorded(world)
    assert told is not None
    assert (told["version"], told["declined"]["version"]) == (1, 2)
    assert told["declined"]["repository"] == world.held().digest


def test_the_record_is_no_branch(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))

    assert writes(world) > 0
    assert world.place.branches() == set()


def test_a_forge_that_refuses_the_record_is_told_once_and_does_without(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(PUBLISH)
    hook = world.place.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) ;; *) echo no >&2; exit 1; esac\n')
    hook.chmod(0o755)
    started(world)

    for old, new in (("kindly", "briefly"), ("briefly", "at length")):
        edited(world, old, new)
        world.sweep()
    world.place.revert()
    world.sweep()

    words = ["kindly", "briefly", "at length", "briefly"]
    assert published(world) == [f"Answer {word}." for word in words]
    assert world.place.open() == []
    assert writes(world) == 0
    told = [each for each in caplog.messages if "goes on without its record" in each]
    assert len(told) == 1


@on_every_forge
def test_two_bridges_write_one_record(make_world: MakeWorld) -> None:
    """Each has a mirror of its own, and one of them looked before the other wrote."""
    world = started(make_world(PUBLISH))
    (first,) = world.worker.sites.values()
    (second,) = world.another_worker(world.database).sites.values()
    records = [_record_of(site) for site in (first, second)]

    for number, one in enumerate(records, start=1):
        text = str(number)
        one.write(
            {Target("support", 10 + number, LATEST): Agreement(text, text, 1, None)}, world.clock()
        )

    assert recorded(world, "11/latest") is not None
    assert recorded(world, "12/latest") is not None
    assert recorded(world) is not None


def _record_of(site: Site) -> AgreementRecord:
    snapshot = site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
    return AgreementRecord(site, snapshot)


def test_a_label_with_any_characters_has_its_file(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    record_of = _record_of(next(iter(world.worker.sites.values())))
    labels = ["..", ".", "a/b", "ünïcode", "with blank", ".git", "%2E"]
    targets = {Target("support", 5, label): Agreement(label, label, 1, None) for label in labels}

    record_of.write(targets, world.clock())

    assert record_of.read(list(targets)) == targets


def test_ten_thousand_targets_are_one_push(make_world: MakeWorld) -> None:
    world = started(make_world(PUBLISH))
    record_of = _record_of(next(iter(world.worker.sites.values())))
    before = writes(world)
    many = {
        Target("support", n, LATEST): Agreement(str(n), str(n), n, "c" * 40) for n in range(10_000)
    }

    record_of.write(many, world.clock())
    record_of.write(many, world.clock())

    assert writes(world) == before + 1
    assert record_of.read(list(many)) == many


class Killed(BaseException):
    """The process ends here."""


def sweep_killed_before_recording(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "_record", end)
        with pytest.raises(Killed):
            world.sweep()


@on_every_forge
@pytest.mark.parametrize("lost", [False, True], ids=["with the record", "without it"])
def test_a_rollback_after_a_publication_that_nobody_recorded_is_not_undone(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    world = started(make_world({"track": ["prod"], **PUBLISH}), labels=["prod"])
    edited(world, "kindly", "rudely", PROD)
    sweep_killed_before_recording(world, monkeypatch)
    assert prod_on(world) == 2

    world.registry.move_label(1, "prod", 1)
    world.forget_everything()
    if lost:
        record(world)
    world.sweep()
    world.sweep()

    assert prod_on(world) == 1
    assert published(world) == ["Answer kindly.", "Answer rudely."]
    assert world.proposed(PROD) == "Answer kindly."


@on_every_forge
def test_an_edit_after_a_publication_that_nobody_recorded_is_published(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = started(make_world(PUBLISH))
    edited(world, "kindly", "briefly")
    sweep_killed_before_recording(world, monkeypatch)
    world.forget_everything()

    edited(world, "briefly", "at length")
    world.sweep()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert world.place.open() == []
