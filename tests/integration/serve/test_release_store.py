"""The stored releases: whoever read an older state of the base branch overwrites nobody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseRecord,
    ServedCommit,
)
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.release_replica import ReleaseReplica
from bridge.serve.release_store import (
    KEPT_COMMITS,
    ReleaseStore,
    build_answer,
    list_doubts,
    read_release_statistics,
)
from bridge.storage.database import Database
from tests.integration.sample_deliveries import NOON

SOURCE = "promptlayer"


def record(
    version: int, prompt_id: int = 1, warning: str | None = None, mapping: str = "support"
) -> ReleaseRecord:
    key = ReleaseKey(SOURCE, prompt_id, "prod")
    name = f"support/{prompt_id}"
    release = PromptRelease(
        key, name, version, mapping, "c" * 40, f"{name}.yaml", NOON, NOON, warning
    )
    return ReleaseRecord(release, digest=f"d{version}", blob=f"b{version}")


def answer(version: int, prompt_id: int = 1, model: str = "", text: str = "é") -> PromptAnswer:
    key = AnswerKey(SOURCE, prompt_id, version, "openai" if model else "", model)
    return build_answer(key, json.dumps({"version": version, "text": text}).encode())


@pytest.fixture
def store(database: Database) -> ReleaseStore:
    return ReleaseStore(database)


def replica(store: ReleaseStore, *mappings: str) -> ReleaseReplica:
    return ReleaseReplica(store, ReleaseIndex(), lambda: mappings or ("support",))


def test_what_is_stored_is_loaded_as_it_was(store: ReleaseStore) -> None:
    assert store.load().revision == 0
    assert store.save([record(2, warning="why")], [answer(2), answer(2, model="gpt")], 0) == set()

    changes = store.load()

    assert changes.revision == 1
    (loaded,) = changes.records
    assert replace(loaded, release=replace(loaded.release, revision=0)) == record(2, warning="why")
    assert set(changes.answers) == {answer(2), answer(2, model="gpt")}


def test_only_what_changed_is_loaded_again(store: ReleaseStore) -> None:
    store.save([record(2), record(5, 2)], [answer(2), answer(5, 2)], 0)
    seen = store.read_revision()
    store.save([record(3)], [answer(3)], seen)

    changes = store.load(seen)

    assert [each.release.version for each in changes.records] == [3]
    assert [each.key.version for each in changes.answers] == [3]
    assert store.load(changes.revision).records == ()


def test_who_read_before_another_stored_is_refused_with_all_its_answers(
    store: ReleaseStore,
) -> None:
    store.save([record(2)], [answer(2)], 0)
    early = store.read_revision()
    assert store.save([record(4)], [answer(4)], early) == frozenset()

    refused = store.save([record(3), record(7, 2)], [answer(3), answer(7, 2)], early)

    assert refused == {record(3).release.key}
    index = replica(store)
    index.refresh()
    versions = {key.prompt_id: one.version for key, one in index.index.snapshot.releases.items()}
    assert versions == {1: 4, 2: 7}
    assert {key.version for key in index.index.snapshot.answers} == {4, 7}


def test_of_many_processes_that_read_at_once_one_stores(
    store: ReleaseStore, same_database: list[Database]
) -> None:
    store.save([record(1)], [answer(1)], 0)
    seen = store.read_revision()

    def save(number: int) -> bool:
        other = ReleaseStore(same_database[number])
        return not other.save([record(number + 10)], [answer(number + 10)], seen)

    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(save, range(8)))

    assert stored.count(True) == 1
    index = replica(store)
    index.refresh()
    (only,) = index.index.snapshot.releases.values()
    assert only.version == stored.index(True) + 10
    assert index.index.snapshot.find_answer(only) is not None


def test_answers_that_no_release_needs_are_deleted(store: ReleaseStore) -> None:
    prod, test = record(2), record(2)
    key = replace(test.release.key, label="test")
    test = replace(test, release=replace(test.release, key=key))
    store.save([prod, test], [answer(2)], 0)

    store.save([record(3)], [answer(3)], store.read_revision())
    assert {each.key.version for each in store.load().answers} == {2, 3}

    moved = replace(test, release=replace(test.release, version=3))
    store.save([moved], [answer(3)], store.read_revision())
    assert {each.key.version for each in store.load().answers} == {3}


def test_an_answer_is_not_replaced_by_one_that_was_asked_for_earlier(store: ReleaseStore) -> None:
    store.save([record(2)], [answer(2)], 0)
    early = store.read_revision()
    assert store.save_answers([answer(2, text="newer")], early)

    assert not store.save_answers([answer(2, text="older")], early)

    assert store.load().answers == (answer(2, text="newer"),)


def test_commits_are_kept_in_order_and_the_oldest_go(store: ReleaseStore) -> None:
    names = [f"{number:040x}" for number in range(KEPT_COMMITS + 5)]
    assert store.save_commits("support", names[:10], 0, rewritten=True)
    assert store.save_commits("support", names[10:], store.read_revision(), rewritten=False)

    kept = store.load().commits["support"]

    assert [each.commit for each in kept] == names[5:]
    assert [each.position for each in kept] == sorted(each.position for each in kept)
    assert isinstance(kept[0], ServedCommit)


def test_a_base_that_was_rewritten_has_other_commits(store: ReleaseStore) -> None:
    store.save_commits("support", ["a", "b"], 0, rewritten=True)
    early = store.read_revision()
    store.save_commits("support", ["c"], early, rewritten=True)

    assert not store.save_commits("support", ["d"], early, rewritten=False)
    assert [each.commit for each in store.load().commits["support"]] == ["c"]


def test_processes_that_share_a_database_serve_the_same_after_one_poll(
    same_database: list[Database],
) -> None:
    one, other = (replica(ReleaseStore(database)) for database in same_database[:2])
    one.refresh()
    other.refresh()
    one.store.save([record(2)], [answer(2)], 0)
    one.store.save_commits("support", ["a"], one.store.read_revision(), rewritten=True)

    one.refresh()
    other.refresh()

    assert one.index.snapshot == other.index.snapshot
    assert other.index.snapshot.commits["support"][0].commit == "a"


def test_a_release_that_ended_is_not_served_and_stays_so_for_who_read_earlier(
    store: ReleaseStore,
) -> None:
    store.save([record(2)], [answer(2)], 0)
    early = store.read_revision()
    ended = record(2)
    ended = ReleaseRecord(replace(ended.release, version=0))
    store.save([ended], [], early)

    assert store.save([record(2)], [answer(2)], early) == {record(2).release.key}
    index = replica(store)
    index.refresh()
    assert index.index.snapshot.releases == {}
    assert index.index.snapshot.answers == {}


def test_releases_of_a_mapping_that_serves_no_more_are_not_announced(store: ReleaseStore) -> None:
    store.save([record(2), record(3, 2, mapping="sales")], [answer(2), answer(3, 2)], 0)
    serving = ["support", "sales"]
    followed = ReleaseReplica(store, ReleaseIndex(), lambda: serving)
    followed.refresh()
    assert len(followed.index.snapshot.releases) == 2

    serving.remove("sales")
    followed.refresh()

    assert [each.mapping for each in followed.index.snapshot.releases.values()] == ["support"]


def test_the_key_of_a_custom_provider_is_in_memory_and_in_no_row(store: ReleaseStore) -> None:
    followed = replica(store)
    key = answer(2).key
    kept = build_answer(key, answer(2).body, "planted-provider-key")
    store.save([record(2)], [kept], 0)
    followed.refresh()
    followed.keep_provider_key(key, kept.provider_key)

    assert followed.index.snapshot.answers[key].provider_key == "planted-provider-key"
    assert "planted" not in repr(followed.index.snapshot)
    again = replica(store)
    again.refresh()
    assert again.index.snapshot.answers[key].provider_key is None


def test_doubts_and_numbers_are_told_by_mapping(database: Database, store: ReleaseStore) -> None:
    unserved = ReleaseRecord(replace(record(0, 3, warning="no version").release))
    store.save([record(2), record(2, 2, warning="not published"), unserved], [answer(2)], 0)

    with database.open_read_transaction() as connection:
        numbers, doubts = read_release_statistics(connection), list_doubts(connection)

    assert numbers.served == {"support": 2}
    assert numbers.doubts == {"support": 2}
    assert numbers.oldest_confirmed == {"support": NOON}
    assert [(each.name, each.reason, each.is_served) for each in doubts] == [
        ("support/2", "not published", True),
        ("support/3", "no version", False),
    ]
