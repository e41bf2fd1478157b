"""What must hold when the trouble is over and the bridge has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from bridge.errors import BridgeError
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.prompts.target import Target
from bridge.status.status_reader import StatusReader
from bridge.status.target_queries import TargetView
from bridge.storage.database import Database
from bridge.storage.delivery_state import DeliveryState
from bridge.storage.inbox import deliveries_table
from tests.chaos.application_readers import ApplicationReaders, ReadingChecker
from tests.chaos.chaos_environment import (
    APPLICATION_TOKEN,
    FORGE_SECRET,
    LABEL,
    ChaosEnvironment,
)
from tests.chaos.random_users import DEVELOP, RandomUsers
from tests.e2e.planted_secrets import Planted
from tests.e2e.product_environment import API_KEY, SECRET
from tests.standins.foreign_work import find_foreign_work
from tests.standins.git_http import git

_UNFINISHED = {DeliveryState.NEW, DeliveryState.DISPATCHED}
_NOT_OVER = {
    "members": "",
    "pauses": "",
    "looks": "WHERE settled_at IS NULL",
    "proposals": "WHERE kind = 'waiting'",
    "dbos.workflow_status": "WHERE status NOT IN ('SUCCESS', 'ERROR')",
}
_BY_TYPO = "no longer follows it"
_A_PERSONS = {TargetState.PERSON, TargetState.PARKED, TargetState.DECLINED}


@dataclass(frozen=True)
class BrokenInvariant:
    kind: str
    what: str


@dataclass(frozen=True)
class InvariantChecker:
    environment: ChaosEnvironment
    people: RandomUsers
    readers: ApplicationReaders

    def unsettled(self) -> list[BrokenInvariant]:
        """What the bridge still has to do; after a while there must be nothing left."""
        with closing(Database(self.environment.database)) as database:
            waiting = list(self._unfinished(database))
            return waiting or list(self._out_of_step(database))

    def anomalies(self) -> list[BrokenInvariant]:
        """What must never be, whatever happened."""
        return [
            *self._doubled(),
            *self._foreign(),
            *self._withdrawn(),
            *self._lost(),
            *self._told(),
            *self._served(),
        ]

    def books(self) -> str:
        """Everything that is not over, as the tables have it, for whoever looks for the cause."""
        with (
            closing(Database(self.environment.database)) as database,
            database.open_read_transaction() as connection,
        ):
            return "\n".join(
                f"{table}: {dict(row._mapping)}"
                for table, rest in _NOT_OVER.items()
                for row in connection.exec_driver_sql(f"SELECT * FROM {table} {rest}")
            )

    # Deliveries

    def _unfinished(self, database: Database) -> Iterator[BrokenInvariant]:
        with database.open_read_transaction() as connection:
            rows = connection.execute(select(deliveries_table.c.id, deliveries_table.c.state)).all()
        states = {row.id: DeliveryState(row.state) for row in rows}
        for id in sorted(self.environment.office.acknowledged):
            if id not in states:
                yield BrokenInvariant(
                    "delivery lost", f"{id} was acknowledged and is not in the inbox"
                )
        for id, state in states.items():
            if state in _UNFINISHED:
                yield BrokenInvariant("delivery not finished", f"{id} is still {state}")

    # Targets

    def _out_of_step(self, database: Database) -> Iterator[BrokenInvariant]:
        books = self._books(database)
        open_heads = Counter(pull.head for pull in self.environment.open_pulls())
        with PromptLayerClient(
            API_KEY, base_url=self.environment.environment.platform_url
        ) as promptlayer:
            for target in self._targets():
                state = books.get(target)
                problem = self._problem(promptlayer, target, state, open_heads)
                if problem:
                    yield BrokenInvariant(
                        "target out of step", f"{target}: {problem}; {_spelled(state)}"
                    )

    def _targets(self) -> Iterator[Target]:
        for id, entry in self.environment.environment.registry.entries.items():
            yield Target("support", id, LATEST)
            if LABEL in entry.labels:
                yield Target("live", id, LABEL)

    def _problem(
        self,
        promptlayer: PromptLayerClient,
        target: Target,
        state: TargetView | None,
        open_heads: Counter[str],
    ) -> str | None:
        if open_heads[f"promptlayer/{target.mapping}/{target.label}/{target.prompt_id}"]:
            return None
        if self._is_in_step(promptlayer, target):
            return None
        if state is None:
            return "differs, and the books do not know it"
        if state.status.state not in _A_PERSONS:
            return "differs, and nobody is told"
        return None

    def _is_in_step(self, promptlayer: PromptLayerClient, target: Target) -> bool:
        label = None if target.label == LATEST else target.label
        held = promptlayer.find_prompt(target.prompt_id, label=label)
        file = self._file(target)
        return held is not None and file is not None and held.digest == file.prompt.digest

    def _file(self, target: Target) -> PromptFile | None:
        folder = "prompts/latest" if target.label == LATEST else "prompts/live"
        repository = self.environment.environment.repository.path
        listed = git(
            repository, "ls-tree", "-r", "--name-only", self.environment.trunk, "--", folder
        )
        for path in listed.splitlines():
            try:
                file = parse_prompt_file(
                    git(repository, "show", f"{self.environment.trunk}:{path}") + "\n", path=path
                )
            except BridgeError:
                continue
            if file.prompt.id == target.prompt_id:
                return file
        return None

    def _books(self, database: Database) -> dict[Target, TargetView]:
        reader, after = StatusReader(database, lambda: datetime.now(UTC)), None
        found: dict[Target, TargetView] = {}
        while True:
            page = reader.list_targets(after=after, limit=200)
            found |= {_target_of(state): state for state in page}
            after = page.next_cursor
            if after is None:
                return found

    # Pull requests, texts, secrets

    def _doubled(self) -> Iterator[BrokenInvariant]:
        pulls = self.environment.open_pulls()
        for head, count in Counter(pull.head for pull in pulls).items():
            if count > 1:
                yield BrokenInvariant("pull request doubled", f"{count} are open for {head}")
        every = self.environment.environment.repository.pulls.values()
        made = Counter((pull.head, pull.head_commit) for pull in every)
        for (head, commit), count in made.items():
            if count > 1:
                yield BrokenInvariant(
                    "pull request doubled", f"{count} for {head} at {commit[:12]}"
                )

    def _foreign(self) -> Iterator[BrokenInvariant]:
        pulls = [(pull.number, pull.head, pull.base) for pull in self.environment.open_pulls()]
        for words in find_foreign_work(self.environment.environment.repository.path, pulls):
            yield BrokenInvariant("foreign work", words)

    def _withdrawn(self) -> Iterator[BrokenInvariant]:
        """Nobody said `prune`, so that no typo may have taken anything back."""
        for pull in self.environment.environment.repository.pulls.values():
            words = [comment.body for comment in pull.comments]
            if _BY_TYPO in (pull.body or "") or any(_BY_TYPO in each for each in words):
                yield BrokenInvariant("withdrawn by typo", f"#{pull.number} from {pull.head}")

    def _lost(self) -> Iterator[BrokenInvariant]:
        for word in sorted(self.people.lost()):
            yield BrokenInvariant("text lost", f"nobody let {word} go, and it is nowhere")

    def _served(self) -> Iterator[BrokenInvariant]:
        """Applications read what is merged, and nothing older than before, without an error."""
        bases = (self.environment.trunk, DEVELOP)
        repository = self.environment.environment.repository.path
        checker = ReadingChecker(repository, bases, self.people.base_changes)
        for readings in self.readers.readings.values():
            for each in checker.find_unmerged(readings):
                yield BrokenInvariant("unmerged served", str(each))
            for each in checker.find_older(readings):
                yield BrokenInvariant("older served", str(each))
        for words in self.readers.failed:
            yield BrokenInvariant("read failed", words)

    def _told(self) -> Iterator[BrokenInvariant]:
        token = self.environment.environment.github_token
        secrets = {
            "api key": API_KEY,
            "webhook": SECRET,
            "forge webhook": FORGE_SECRET,
            "token": token,
            "application token": APPLICATION_TOKEN,
        }
        planted = Planted(secrets)
        for machine in self.environment.machines:
            planted.search(f"the log of {machine.name}", machine.said)
        for found in planted.found:
            yield BrokenInvariant("secret told", found)


def _target_of(state: TargetView) -> Target:
    return Target(state.status.mapping, state.status.prompt_id, state.status.label)


def _spelled(state: TargetView | None) -> str:
    if state is None:
        return "not in the books"
    return f"the books say {state.status.state}: {state.status.reason}"
