"""Read and write the record of agreements: one small file for each target, in a ref of the
repository.

Servers, CI and other bridges share the record, and it survives a lost database. It is never needed:
whatever it lacks is inferred from the history of the base branch and from PromptLayer's versions.
So a failed write is logged and is no error.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from urllib.parse import quote

from bridge.errors import BridgeError, ForbiddenError, RequestRefusedError, StaleStateError
from bridge.prompts.agreement import Agreement, DeclinedText
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.snapshot import RepositorySnapshot
from bridge.repo.state_ref import STATE_NAMESPACE, StateReference

log = logging.getLogger("bridge.agreements")

_TRIES = 5  # that are lost to other writers
_MESSAGE = "Record what both sides agree on\n"


@dataclass(frozen=True)
class AgreementRecord:
    """The record of one mapping, in the repository of ``snapshot``."""

    context: MappingContext
    snapshot: RepositorySnapshot

    @property
    def _state(self) -> StateReference:
        name = quote(self.context.mapping.name, safe="").replace(".", "%2E")
        return StateReference(self.snapshot, f"{STATE_NAMESPACE}agreements/{name}")

    def fetch(self) -> None:
        """Fetch what others have recorded; what is known stays where the remote gives nothing."""
        try:
            self._state.fetch()
        except BridgeError as error:
            log.warning("%s: the record was not fetched: %s", self.context.mapping.name, error)

    def read(self, targets: Collection[Target]) -> dict[Target, Agreement]:
        """Read the recorded agreements of these targets."""
        paths = {_path(target): target for target in targets}
        found = self._state.read(paths)
        read = ((paths[path], _parsed(text)) for path, text in found.items())
        return {target: agreement for target, agreement in read if agreement is not None}

    def write(
        self,
        agreements: Mapping[Target, Agreement],
        now: datetime,
        published: Collection[Target] = (),
    ) -> None:
        """Record these where something else is recorded: one push, none where nothing is new.
        What was ``published`` is new at its commit, also where both sides said the same before:
        they may have said something else in between. Nothing is recorded while the mapping is
        paused."""
        if self.context.mapping.pause:
            return
        try:
            self._write(agreements, now, published)
        except (RequestRefusedError, ForbiddenError) as error:
            if self.context.mirror.record_refusal(STATE_NAMESPACE):
                log.warning(
                    "%s: %s The bridge goes on without its record, and infers what both sides"
                    " agreed on last from their histories.",
                    self.context.mapping.name,
                    error,
                )
        except BridgeError as error:
            log.warning("%s: the record waits: %s", self.context.mapping.name, error)

    def _write(
        self,
        agreements: Mapping[Target, Agreement],
        now: datetime,
        published: Collection[Target],
    ) -> None:
        for _ in range(_TRIES):
            changes = dict(self._changes(agreements, published))
            if not changes or self.context.mirror.is_refused(STATE_NAMESPACE):
                return
            try:
                self._state.write(changes, self.context.bot.identity, now, _MESSAGE)
            except StaleStateError:
                self._state.fetch()
            else:
                return
        log.warning("%s: others keep writing the record", self.context.mapping.name)

    def _changes(
        self, agreements: Mapping[Target, Agreement], published: Collection[Target]
    ) -> Iterator[tuple[str, bytes]]:
        recorded = self.read(agreements)
        for target, agreement in agreements.items():
            before = recorded.get(target)
            agreement = replace(agreement, path=agreement.path or (before.path if before else None))
            is_new = target in published and before != agreement
            if before is None or is_new or not _says_as_much(before, agreement):
                yield _path(target), _text(agreement)


def _says_as_much(before: Agreement, after: Agreement) -> bool:
    """Whether two agreements differ in their commit alone."""
    return replace(before, commit=after.commit) == after


def _path(target: Target) -> str:
    label = quote(target.label, safe="").replace(".", "%2E")
    return f"{target.prompt_id}/{label}"


def _text(agreement: Agreement) -> bytes:
    fields = {key: value for key, value in asdict(agreement).items() if value is not None}
    return (json.dumps(fields, indent=1) + "\n").encode()


def _parsed(text: bytes) -> Agreement | None:
    """Parse a recorded file; None where the bridge did not write it."""
    try:
        fields = json.loads(text)
        declined = DeclinedText(**fields.pop("declined")) if fields.get("declined") else None
        platform, repository = fields.get("platform"), fields.get("repository")
        more = fields.get("version"), fields.get("commit"), declined, fields.get("path")
        return Agreement(platform, repository, *more)
    except (ValueError, TypeError, AttributeError):
        return None
