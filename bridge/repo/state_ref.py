"""Read and write the bridge's files in a repository beside its branches: in a ref outside
``refs/heads``, as git notes are. It starts no CI and no webhook, is in no list of branches,
and is shared by every bridge and CI run that may push. https://git-scm.com/docs/git-notes"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.repo.commit import CommitDraft, GitIdentity
from bridge.repo.push_branch import push_ref
from bridge.repo.snapshot import RepositorySnapshot

STATE_NAMESPACE = "refs/promptlayer-bridge/"
STATE_REFSPEC = f"+{STATE_NAMESPACE}*:{STATE_NAMESPACE}*"


@dataclass(frozen=True)
class StateReference:
    """Small files below one ref of the remote, as the mirror saw them last. ``name`` is the ref's
    full name, in the bridge's namespace."""

    snapshot: RepositorySnapshot
    name: str

    def fetch(self) -> None:
        """Fetch what the remote holds now; what it holds no longer is forgotten."""
        store = self.snapshot.store
        # With the base, which exists: git fails without a message when no ref matches at all.
        wanted = [f"refs/heads/{self.snapshot.base}", STATE_REFSPEC]
        with store.lock_exclusively() as held:
            store.fetch(self.snapshot.remote, wanted, depth=1, held=held)

    def read(self, paths: Collection[str]) -> dict[str, bytes]:
        """The content of those of these files that are there."""
        commit = self._commit()
        if commit is None or not paths:
            return {}
        entries = self.snapshot.list_entries(commit)
        found = {path: entries[path].object_id for path in paths if path in entries}
        texts = self.snapshot.read_blobs(set(found.values()))
        return {path: texts[name] for path, name in found.items()}

    def write(
        self, changes: Mapping[str, bytes | None], who: GitIdentity, when: datetime, message: str
    ) -> None:
        """Write these files (None: removed) with one push. Raises StaleStateError where somebody
        else wrote meanwhile: ``fetch``, and decide again."""
        before = self._commit()
        draft = CommitDraft(
            parent=before, changes=changes, message=message, author=who, committer=who, date=when
        )
        commit = self.snapshot.write_commit(draft)
        store = self.snapshot.store
        push_ref(store, self.snapshot.remote, self.name, commit, before)
        store.run_local("update-ref", self.name, commit)

    def _commit(self) -> str | None:
        answer = self.snapshot.store.try_local("rev-parse", "--verify", "--quiet", self.name)
        return answer.output.decode().strip() if answer.is_success else None
