"""``synchronise``: scan and look at everything that differs, here and now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli.opening import opened_worker
from bridge.config.whole import parse
from bridge.engine.resync import ResyncRunner
from bridge.engine.sync import synchronise
from bridge.engine.worker import Worker
from bridge.errors import Refused
from bridge.forge.local import LocalForge
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.target import Proposal
from bridge.sandbox.entries import chat
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks
from bridge.steps.scan import scan
from tests.standins.faults import Faults, WithFaults
from tests.standins.serving import serve

CONFIG = """\
promptlayer: {{api_key: key, base_url: "{url}"}}
forges:
  local: {{type: local, root: {folder}/forge}}
mappings:
  - {{name: support, prompts: ["**"], repository: "local:acme/bot"}}
data: {folder}/data
"""
OTHER = """\
  - {{name: other, prompts: ["one"], repository: "local:acme/bot", path: "o/{{prompt}}.yaml"}}
"""


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    LocalForge.create_repository(tmp_path / "forge", "acme/bot", {"README.md": b"# Bot\n"})
    return LocalForge(tmp_path / "forge", "acme/bot")


@pytest.fixture
def worker(registry: Registry, forge: LocalForge, tmp_path: Path) -> Iterator[Worker]:
    app = promptlayer_app(registry, api_key="key", webhooks=Webhooks())
    with serve(app) as url:
        config = parse(CONFIG.format(url=url, folder=tmp_path), "bridge.yaml", {})
        with opened_worker(config) as opened:
            yield opened


def save(registry: Registry, *names: str) -> None:
    for name in names:
        registry.save(name, chat(("system", f"This is {name}.")))


def nobody(what: str, finished: int, total: int | None) -> None:
    pass


def merge_all(forge: LocalForge) -> None:
    for opened in forge.open_pull_requests(""):
        forge.merge(opened.number, "squash")


def test_everything_new_is_proposed_and_told(
    worker: Worker, registry: Registry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    told: list[tuple[str, int, int | None]] = []

    done = synchronise(worker, ["support"], lambda *what: told.append(what))

    assert [one.kind for one in done] == [OutcomeKind.PROPOSED] * 2
    assert {one.pull_request for one in done} == {
        opened.url for opened in forge.open_pull_requests("")
    }
    assert told[0] == ("comparing support", 0, 1)
    assert told[-1] == ("bringing in step", 2, 2)


def test_what_is_in_step_is_counted_and_not_looked_at(
    worker: Worker, registry: Registry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    synchronise(worker, ["support"], nobody)
    merge_all(forge)
    synchronise(worker, ["support"], nobody)  # clears the branches away

    found = scan(worker.sites["support"], worker.index)
    (done,) = synchronise(worker, ["support"], nobody)

    assert (found.candidates, found.in_step, found.refusals) == ((), 2, ())
    assert (done.kind, done.count) == (OutcomeKind.IN_STEP, 2)


def test_one_new_prompt_among_many_is_the_only_candidate(
    worker: Worker, registry: Registry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    synchronise(worker, ["support"], nobody)
    merge_all(forge)
    synchronise(worker, ["support"], nobody)
    save(registry, "c")

    found = scan(worker.sites["support"], worker.index)

    assert [each.target.prompt_id for each in found.candidates] == [3]
    assert found.in_step == 2


def test_a_prompt_that_is_gone_is_a_candidate(
    worker: Worker, registry: Registry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    synchronise(worker, ["support"], nobody)
    merge_all(forge)
    synchronise(worker, ["support"], nobody)
    registry.delete(registry.entry_named("a").id)

    (done, _) = sorted(synchronise(worker, ["support"], nobody), key=lambda one: one.kind)[::-1]

    assert done.kind is OutcomeKind.PROPOSED
    assert done.reason == "no longer in PromptLayer"


def test_an_empty_workspace_proposes_no_removals(
    worker: Worker, registry: Registry, forge: LocalForge
) -> None:
    save(registry, "a")
    synchronise(worker, ["support"], nobody)
    merge_all(forge)
    registry.delete(registry.entry_named("a").id)

    with pytest.raises(Refused, match="PromptLayer shows none of the prompts whose ids 1 files"):
        synchronise(worker, ["support"], nobody)


def test_what_was_synchronised_waits_for_nothing(worker: Worker, registry: Registry) -> None:
    save(registry, "a")

    synchronise(worker, ["support"], nobody)

    assert worker.unfinished() == ()


def test_sweeps_of_one_occasion_read_the_list_pages_once(
    registry: Registry, forge: LocalForge, tmp_path: Path
) -> None:
    save(registry, "one", "two")
    faults = Faults()
    app = promptlayer_app(registry, api_key="key", webhooks=Webhooks())
    two = CONFIG.replace("data:", OTHER + "data:")
    with serve(WithFaults(app, faults)) as url:
        config = parse(two.format(url=url, folder=tmp_path), "bridge.yaml", {})
        with opened_worker(config) as worker:
            found: list[Proposal] = []
            for mapping in worker.sites:
                assert ResyncRunner(worker).resync(mapping, found.append, with_others=True) is None
            together = len(faults.requests)
            assert ResyncRunner(worker).resync("support", found.append) is None

    assert (together, len(faults.requests)) == (1, 2)
    assert sorted({proposal.mapping for proposal in found}) == ["other", "support"]
