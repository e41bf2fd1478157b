"""The record of what both sides agreed on: shared by whoever may push, and never needed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.prompts.agreement import Agreement
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.reconcile import reconcile_proposal
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.mapping_context import MappingContext
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_agreement import PROD, prod_on, record, started
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.standins.git_http import git

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)

REF = "refs/promptlayer-bridge/agreements/support"
TARGET = Target("support", 1, LATEST)


def recorded(environment: BridgeEnvironment, path: str = "1/latest") -> dict[str, Any] | None:
    """What the repository's record says of a target."""
    if not git(environment.repository.repository, "for-each-ref", REF):
        return None
    if (
        path
        not in git(
            environment.repository.repository, "ls-tree", "-r", "--name-only", REF
        ).splitlines()
    ):
        return None
    told: dict[str, Any] = json.loads(
        git(environment.repository.repository, "show", f"{REF}:{path}")
    )
    return told


def writes(environment: BridgeEnvironment) -> int:
    """How often the record was written."""
    if not git(environment.repository.repository, "for-each-ref", REF):
        return 0
    return int(git(environment.repository.repository, "rev-list", "--count", REF))


@on_every_forge
def test_what_both_sides_say_is_recorded_once(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))

    told, before = recorded(environment), writes(environment)
    environment.sweep()
    environment.repository.commit({"src/bot.py": b"print()\n"})
    environment.sweep()

    assert told is not None
    assert told["platform"] == told["repository"] == environment.held().digest
    assert told["version"] == 1
    assert writes(environment) == before


@on_every_forge
def test_what_is_only_proposed_is_not_recorded(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    before = writes(environment)

    environment.save("Answer briefly.")
    environment.settle()
    environment.save("Answer at length.")
    environment.settle()

    assert environment.proposed() == "Answer at length."
    assert writes(environment) == before


@on_every_forge
def test_a_version_that_was_made_is_recorded_at_once(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))

    edited(environment, "kindly", "briefly")
    environment.sweep()

    told = recorded(environment)
    assert told is not None
    assert (told["version"], told["repository"]) == (2, environment.held().digest)


@on_every_forge
def test_a_decline_is_recorded(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    environment.save("Answer briefly.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    environment.sweep()

    told = recorded(environment)
    assert told is not None
    assert (told["version"], told["declined"]["version"]) == (1, 2)
    assert told["declined"]["repository"] == environment.held().digest


def test_the_record_is_no_branch(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))

    assert writes(environment) > 0
    assert environment.repository.branches() == set()


def test_a_forge_that_refuses_the_record_is_told_once_and_does_without(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    environment = make_world(PUBLISH)
    hook = environment.repository.repository / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) ;; *) echo no >&2; exit 1; esac\n')
    hook.chmod(0o755)
    started(environment)

    for old, new in (("kindly", "briefly"), ("briefly", "at length")):
        edited(environment, old, new)
        environment.sweep()
    environment.repository.revert()
    environment.sweep()

    words = ["kindly", "briefly", "at length", "briefly"]
    assert published(environment) == [f"Answer {word}." for word in words]
    assert environment.repository.open() == []
    assert writes(environment) == 0
    told = [each for each in caplog.messages if "goes on without its record" in each]
    assert len(told) == 1


@on_every_forge
def test_two_bridges_write_one_record(make_world: MakeWorld) -> None:
    """Each has a mirror of its own, and one of them looked before the other wrote."""
    environment = started(make_world(PUBLISH))
    (first,) = environment.controller.contexts.values()
    (second,) = environment.another_worker(environment.database).contexts.values()
    records = [_record_of(context) for context in (first, second)]

    for number, one in enumerate(records, start=1):
        text = str(number)
        one.write(
            {Target("support", 10 + number, LATEST): Agreement(text, text, 1, None)},
            environment.clock(),
        )

    assert recorded(environment, "11/latest") is not None
    assert recorded(environment, "12/latest") is not None
    assert recorded(environment) is not None


def _record_of(context: MappingContext) -> AgreementRecord:
    snapshot = context.mirror.fetch(
        context.forge.create_git_remote(), context.base_branch, context.branch_prefix
    )
    return AgreementRecord(context, snapshot)


def test_a_label_with_any_characters_has_its_file(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    record_of = _record_of(next(iter(environment.controller.contexts.values())))
    labels = ["..", ".", "a/b", "ünïcode", "with blank", ".git", "%2E"]
    targets = {Target("support", 5, label): Agreement(label, label, 1, None) for label in labels}

    record_of.write(targets, environment.clock())

    assert record_of.read(list(targets)) == targets


def test_ten_thousand_targets_are_one_push(make_world: MakeWorld) -> None:
    environment = started(make_world(PUBLISH))
    record_of = _record_of(next(iter(environment.controller.contexts.values())))
    before = writes(environment)
    many = {
        Target("support", n, LATEST): Agreement(str(n), str(n), n, "c" * 40) for n in range(10_000)
    }

    record_of.write(many, environment.clock())
    record_of.write(many, environment.clock())

    assert writes(environment) == before + 1
    found = record_of.read(list(many))
    assert {target: replace(each, path=None) for target, each in found.items()} == many


class Killed(BaseException):
    """The process ends here."""


def sweep_killed_before_recording(
    environment: BridgeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(reconcile_proposal, "_record", end)
        with pytest.raises(Killed):
            environment.sweep()


@on_every_forge
@pytest.mark.parametrize("lost", [False, True], ids=["with the record", "without it"])
def test_a_rollback_after_a_publication_that_nobody_recorded_is_not_undone(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    environment = started(make_world({"track": ["prod"], **PUBLISH}), labels=["prod"])
    edited(environment, "kindly", "rudely", PROD)
    sweep_killed_before_recording(environment, monkeypatch)
    assert prod_on(environment) == 2

    environment.registry.move_label(1, "prod", 1)
    environment.forget_everything()
    if lost:
        record(environment)
    environment.sweep()
    environment.sweep()

    assert prod_on(environment) == 1
    assert published(environment) == ["Answer kindly.", "Answer rudely."]
    assert environment.proposed(PROD) == "Answer kindly."


@on_every_forge
def test_an_edit_after_a_publication_that_nobody_recorded_is_published(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = started(make_world(PUBLISH))
    edited(environment, "kindly", "briefly")
    sweep_killed_before_recording(environment, monkeypatch)
    environment.forget_everything()

    edited(environment, "briefly", "at length")
    environment.sweep()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert environment.repository.open() == []
