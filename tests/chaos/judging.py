"""What must hold when the trouble is over and the bridge has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from bridge.books.overview import Overview
from bridge.books.targets import TargetState
from bridge.errors import BridgeError
from bridge.promptlayer.client import PromptLayer
from bridge.prompts.file import parse
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.prompts.state import State
from bridge.prompts.target import Target
from bridge.storage.database import Database
from bridge.storage.delivery_state import DeliveryState
from bridge.storage.inbox import deliveries
from tests.chaos.house import FORGE_SECRET, LABEL, House
from tests.chaos.people import People
from tests.e2e.scene import API_KEY, SECRET
from tests.e2e.secrets import Planted
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
_A_PERSONS = {State.PERSON, State.PARKED, State.DECLINED}


@dataclass(frozen=True)
class Anomaly:
    kind: str
    what: str


@dataclass(frozen=True)
class Judge:
    house: House
    people: People

    def unsettled(self) -> list[Anomaly]:
        """What the bridge still has to do; after a while there must be nothing left."""
        with closing(Database(self.house.database)) as database:
            waiting = list(self._unfinished(database))
            return waiting or list(self._out_of_step(database))

    def anomalies(self) -> list[Anomaly]:
        """What must never be, whatever happened."""
        return [
            *self._doubled(),
            *self._foreign(),
            *self._withdrawn(),
            *self._lost(),
            *self._told(),
        ]

    def books(self) -> str:
        """Everything that is not over, as the tables have it, for whoever looks for the cause."""
        with closing(Database(self.house.database)) as database, database.reading() as connection:
            return "\n".join(
                f"{table}: {dict(row._mapping)}"
                for table, rest in _NOT_OVER.items()
                for row in connection.exec_driver_sql(f"SELECT * FROM {table} {rest}")
            )

    # Deliveries

    def _unfinished(self, database: Database) -> Iterator[Anomaly]:
        with database.reading() as connection:
            rows = connection.execute(select(deliveries.c.id, deliveries.c.state)).all()
        states = {row.id: DeliveryState(row.state) for row in rows}
        for id in sorted(self.house.office.acknowledged):
            if id not in states:
                yield Anomaly("delivery lost", f"{id} was acknowledged and is not in the inbox")
        for id, state in states.items():
            if state in _UNFINISHED:
                yield Anomaly("delivery not finished", f"{id} is still {state}")

    # Targets

    def _out_of_step(self, database: Database) -> Iterator[Anomaly]:
        books = self._books(database)
        open_heads = Counter(pull.head for pull in self.house.open_pulls())
        with PromptLayer(API_KEY, base_url=self.house.scene.platform_url) as platform:
            for target in self._targets():
                state = books.get(target)
                problem = self._problem(platform, target, state, open_heads)
                if problem:
                    yield Anomaly("target out of step", f"{target}: {problem}; {_spelled(state)}")

    def _targets(self) -> Iterator[Target]:
        for id, entry in self.house.scene.registry.entries.items():
            yield Target("support", id, LATEST)
            if LABEL in entry.labels:
                yield Target("live", id, LABEL)

    def _problem(
        self,
        platform: PromptLayer,
        target: Target,
        state: TargetState | None,
        open_heads: Counter[str],
    ) -> str | None:
        if open_heads[f"promptlayer/{target.mapping}/{target.label}/{target.prompt_id}"]:
            return None
        if self._is_in_step(platform, target):
            return None
        if state is None:
            return "differs, and the books do not know it"
        if state.entry.state not in _A_PERSONS:
            return "differs, and nobody is told"
        return None

    def _is_in_step(self, platform: PromptLayer, target: Target) -> bool:
        label = None if target.label == LATEST else target.label
        held = platform.prompt(target.prompt_id, label=label)
        file = self._file(target)
        return held is not None and file is not None and held.digest == file.prompt.digest

    def _file(self, target: Target) -> PromptFile | None:
        folder = "prompts/latest" if target.label == LATEST else "prompts/live"
        repository = self.house.scene.repository.path
        listed = git(repository, "ls-tree", "-r", "--name-only", self.house.trunk, "--", folder)
        for path in listed.splitlines():
            try:
                file = parse(
                    git(repository, "show", f"{self.house.trunk}:{path}") + "\n", path=path
                )
            except BridgeError:
                continue
            if file.prompt.id == target.prompt_id:
                return file
        return None

    def _books(self, database: Database) -> dict[Target, TargetState]:
        overview, after = Overview(database, lambda: datetime.now(UTC)), None
        found: dict[Target, TargetState] = {}
        while True:
            page = overview.standings(after=after, limit=200)
            found |= {_target_of(state): state for state in page}
            after = page.next
            if after is None:
                return found

    # Pull requests, texts, secrets

    def _doubled(self) -> Iterator[Anomaly]:
        pulls = self.house.open_pulls()
        for head, count in Counter(pull.head for pull in pulls).items():
            if count > 1:
                yield Anomaly("pull request doubled", f"{count} are open for {head}")
        every = self.house.scene.repository.pulls.values()
        made = Counter((pull.head, pull.head_commit) for pull in every)
        for (head, commit), count in made.items():
            if count > 1:
                yield Anomaly("pull request doubled", f"{count} for {head} at {commit[:12]}")

    def _foreign(self) -> Iterator[Anomaly]:
        pulls = [(pull.number, pull.head, pull.base) for pull in self.house.open_pulls()]
        for words in find_foreign_work(self.house.scene.repository.path, pulls):
            yield Anomaly("foreign work", words)

    def _withdrawn(self) -> Iterator[Anomaly]:
        """Nobody said `prune`, so that no typo may have taken anything back."""
        for pull in self.house.scene.repository.pulls.values():
            words = [comment.body for comment in pull.comments]
            if _BY_TYPO in (pull.body or "") or any(_BY_TYPO in each for each in words):
                yield Anomaly("withdrawn by typo", f"#{pull.number} from {pull.head}")

    def _lost(self) -> Iterator[Anomaly]:
        for word in sorted(self.people.lost()):
            yield Anomaly("text lost", f"nobody let {word} go, and it is nowhere")

    def _told(self) -> Iterator[Anomaly]:
        token = self.house.scene.github_token
        secrets = {
            "api key": API_KEY,
            "webhook": SECRET,
            "forge webhook": FORGE_SECRET,
            "token": token,
        }
        planted = Planted(secrets)
        for machine in self.house.machines:
            planted.search(f"the log of {machine.name}", machine.said)
        for found in planted.found:
            yield Anomaly("secret told", found)


def _target_of(state: TargetState) -> Target:
    return Target(state.entry.mapping, state.entry.prompt_id, state.entry.label)


def _spelled(state: TargetState | None) -> str:
    if state is None:
        return "not in the books"
    return f"the books say {state.entry.state}: {state.entry.reason}"
