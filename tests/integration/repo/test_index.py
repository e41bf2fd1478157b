"""Which file belongs to which prompt."""

from __future__ import annotations

from bridge.repo.prompt_file_index import PromptFileIndex, PromptFileOwner
from tests.integration.repo.conftest import Repository
from tests.standins.git_http import commit_files


def test_every_file_finds_its_owner_though_only_the_last_are_remembered(
    repository: Repository,
) -> None:
    texts = {
        f"many/{id}.yaml": b"kind: prompt/v1\nid: %d\nlabel: prod\n" % id for id in range(1, 8)
    }
    commit_files(repository.path, "main", {**texts, "many/notes.yaml": b"id: 9\n"})
    snapshot, index = repository.look(), PromptFileIndex(max_entries=3)
    entries = snapshot.list_entries(snapshot.commit, "many")

    found = [index.find_owners(snapshot, entries) for _ in range(2)]

    owners = {path: PromptFileOwner(id, "prod") for id, path in enumerate(texts, start=1)}
    assert found == [owners, owners]
    assert index.entry_count == 3


def test_one_content_in_two_formats_has_an_owner_in_each(repository: Repository) -> None:
    text = b'{"kind": "prompt/v1", "id": 1, "label": "prod", "name": "\\ud83d\\ude00"}'
    commit_files(repository.path, "main", {"many/a.json": text, "many/b.yaml": text})
    snapshot = repository.look()

    found = PromptFileIndex().find_owners(snapshot, snapshot.list_entries(snapshot.commit, "many"))

    assert found["many/a.json"] == PromptFileOwner(1, "prod", "\U0001f600")
    assert found["many/b.yaml"].prompt_id == 1
