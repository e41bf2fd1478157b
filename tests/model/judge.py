"""Compare what the bridge made of it with the model, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.looks import Bridge
from tests.model.page import (
    LABELS,
    PROD,
    File,
    Ought,
    Page,
    Proposal,
    Text,
    find_ought,
    settle_page,
)
from tests.model.people import People, home, named_versions
from tests.model.reading import OpenPull, parse_file, read_blobs, words_of

FALSE_CONFLICT, UNDONE, LOOP_EXTRA, LOST = "false_conflicts", "undone", "loop_extra", "lost_updates"
MISSING = "missing"  # what ought to happen did not
ANCHOR = -1  # a page that nobody touches: of an empty workspace nothing is ever removed
COUNTED = (FALSE_CONFLICT, UNDONE, LOOP_EXTRA, LOST, MISSING)


@dataclass(frozen=True)
class Fault:
    kind: str
    page: int
    words: str

    def __str__(self) -> str:
        return f"{self.kind}, page {self.page}: {self.words}"


@dataclass
class Judge:
    """``pages`` of the people are brought up to what was found, as long as that is right; a page
    that was found wrong is left alone from then on.

    A person may be asked about what both sides had changed when the bridge compared them, even if
    publishing the other label's file settled it right after: what that person saved was written
    over then.
    """

    people: People
    bridge: Bridge
    _pages: int = 0  # that there were
    _told: set[int] = field(default_factory=set)  # ids of prompts that no page is about

    def judge(self) -> list[Fault]:
        self._pages = max(self._pages, len(self.people.pages))
        pulls = self._open_pulls()
        faults = list(self._lost(pulls))
        has_conflict = self._has_conflict()
        for number, page in list(self.people.pages.items()):
            self._know_id(number, page)
            found = [
                list(self._differences(number, page, each, pulls)) for each in settle_page(page)
            ]
            best = min(found, key=len)
            if best:
                faults += best
                del self.people.pages[number]
                continue
            self.people.pages[number] = settle_page(page)[found.index(best)]
            self._know_pulls(number, pulls)
        faults += self._strangers()
        if not faults and self.bridge.conflicts and not (has_conflict or self._has_conflict()):
            faults.append(Fault(FALSE_CONFLICT, ANCHOR, "publish ended as on a conflict"))
        self.people.has_looked()
        return faults

    def _has_conflict(self) -> bool:
        """Whether both sides of anything moved; of a page that is left alone nobody knows."""
        pages = self.people.pages
        return len(pages) < self._pages or any(
            find_ought(page, label).person for page in pages.values() for label in LABELS
        )

    def _strangers(self) -> Iterator[Fault]:
        """Prompts that no page is about."""
        known = set(self.people.ids.values()) | self._told
        for id, entry in self.people.environment.registry.entries.items():
            if id not in known:
                self._told.add(id)
                yield Fault(LOOP_EXTRA, _page_of(entry.name), f"prompt {entry.name} was made")

    # What is there

    def _know_id(self, number: int, page: Page) -> None:
        if number not in self.people.ids:
            entries = self.people.environment.registry.entries.values()
            ids = (entry.id for entry in entries if entry.name == page.name)
            if (id := next(ids, None)) is not None:
                self.people.ids[number] = id

    def _versions(self, number: int, page: Page) -> tuple[Text, ...]:
        entry = self.people.environment.registry.entries.get(self._id(number, page))
        return tuple(words_of(version.template) for version in entry.versions) if entry else ()

    def _prod(self, number: int, page: Page) -> int | None:
        entry = self.people.environment.registry.entries.get(self._id(number, page))
        label = entry.labels.get(PROD) if entry else None
        return label.version if label else None

    def _open_pulls(self) -> dict[tuple[int, str], OpenPull]:
        """By prompt id and label."""
        repository = self.people.environment.repository
        pulls = {pull.head_branch: pull for pull in repository.open()}
        asked: dict[tuple[str, str], None] = {}
        where: dict[str, list[str]] = {}
        for number, page in self.people.pages.items():
            for label in LABELS:
                head = self.people.environment.branch(self._id(number, page), label)
                if head in pulls:
                    known = self.people.paths.get((number, label))
                    where[head] = [path for path in (known, home(page.name, label)) if path]
                    asked |= dict.fromkeys((head, path) for path in where[head])
        texts = read_blobs(repository.repository, asked)
        found = {}
        for head, paths in where.items():
            _, _, label, id = head.split("/")
            path = next((path for path in paths if (head, path) in texts), None)
            file = parse_file(texts[head, path], label) if path else None
            pull = pulls[head]
            found[int(id), label] = OpenPull(pull.number, head, pull.body, path, file)
        return found

    def _id(self, number: int, page: Page) -> int:
        self._know_id(number, page)
        return self.people.ids.get(number, 0)

    def _know_pulls(self, number: int, pulls: dict[tuple[int, str], OpenPull]) -> None:
        page = self.people.pages[number]
        for label in LABELS:
            pull = pulls.get((self._id(number, page), label))
            if pull is None:
                self.people.open.pop((number, label), None)
                continue
            ought = find_ought(page, label)
            shown = next(one for one in ought.proposals if one and _is_same(one, pull.file))
            self.people.open[number, label] = pull, shown

    # How it differs from what it ought to be

    def _differences(
        self, number: int, before: Page, ought: Page, pulls: dict[tuple[int, str], OpenPull]
    ) -> Iterator[Fault]:
        id = self._id(number, before)
        yield from self._wrong_versions(number, before, ought)
        for label in LABELS:
            asked = self.bridge.asks_of_person(id, label, before.name)
            if find_ought(before, label).person:
                asked = None  # told of what was compared, which the other label's file has settled
            for kind, words in _wrong_pull(ought, label, pulls.get((id, label)), asked):
                yield Fault(kind, number, f"{label}: {words}")

    def _wrong_versions(self, number: int, before: Page, ought: Page) -> Iterator[Fault]:
        versions = self._versions(number, before)
        if versions != ought.versions:
            made = versions[len(before.versions) :]
            wanted = ought.versions[len(before.versions) :]
            yield Fault(
                _kind_of_versions(before, made, wanted),
                number,
                f"versions {list(made)} were made, not {list(wanted)}",
            )
        position = self._prod(number, before)
        if position != ought.prod and versions == ought.versions:
            kind = MISSING if position == before.prod else UNDONE
            yield Fault(kind, number, f"prod is on version {position}, not {ought.prod}")

    # Words

    def _lost(self, pulls: dict[tuple[int, str], OpenPull]) -> Iterator[Fault]:
        """Words that were saved, are nowhere any more, and no person let go: neither on a side, nor
        proposed, nor in a version that a proposal, its closing, or a reason names."""
        for number, page in self.people.pages.items():
            versions = self._versions(number, page)
            held = set(versions[-1] if versions else ())
            held |= set(versions[position - 1] if (position := self._prod(number, page)) else ())
            for label in LABELS:
                file, pull = page.file(label), pulls.get((self._id(number, page), label))
                held |= set(file.text if file else ())
                for text in named_versions(self._tell(number, page, label, pull), versions):
                    self.people.dropped |= set(text)
                if pull is not None:
                    held |= {w for text in named_versions(pull.body, versions) for w in text}
                    held |= {w for text in versions for w in text if w in pull.body}
                    held |= set(pull.file.text if pull.file else ())
            saved = {word for text in versions for word in text}
            for word in sorted(saved - held - self.people.dropped):
                self.people.dropped.add(word)  # told once
                yield Fault(LOST, number, f"{word} is on neither side, and nobody let it go")

    def _tell(self, number: int, page: Page, label: str, pull: OpenPull | None) -> str:
        """What a person is told of a target beside what is proposed: when a pull request is
        withdrawn, or another label's file became the newest version."""
        told = [self.bridge.name_overtaken(self._id(number, page), label, page.name)]
        before = self.people.open.get((number, label))
        if before is not None and (pull is None or pull.number != before[0].number):
            told += self.people.environment.repository.comments(before[0].number)
        return " ".join(told)


def _kind_of_versions(before: Page, made: tuple[object, ...], wanted: tuple[object, ...]) -> str:
    if len(made) < len(wanted):
        return MISSING
    extra = [text for text in made if text not in wanted]
    ahead = [side.file.text for label, side in before.sides.items() if side.file]
    again = any(text in ahead and text not in before.versions[-1:] for text in extra)
    return UNDONE if again else LOOP_EXTRA


def _is_same(proposal: Proposal | None, file: File | None) -> bool:
    """Whether this is what merging makes of the file."""
    if proposal is None or proposal.text is None or file is None:
        return proposal is not None and proposal.text is None and file is None
    return file == File(proposal.text, proposal.name)


def _page_of(name: str) -> int:
    """Pages are numbered in the names of their prompts."""
    return int(re.findall(r"-?\d+", name.partition("/p")[2])[0])


def _wrong_pull(
    ought: Page, label: str, pull: OpenPull | None, asked: str | None
) -> Iterator[tuple[str, str]]:
    wanted = find_ought(ought, label)
    if asked is not None and not wanted.person:
        yield FALSE_CONFLICT, f"a person is asked, and one side alone moved: {asked}"
    if pull is None:
        if None not in wanted.proposals:
            yield MISSING, f"nothing is proposed, not {wanted.proposals[0]}"
        return
    if not any(_is_same(one, pull.file) for one in wanted.proposals):
        yield _kind_of_pull(wanted, pull), f"#{pull.number} proposes {pull.file}, not {wanted}"
        return
    both = {word for one in wanted.proposals if one for word in one.both}
    if pull.conflicts and not wanted.person:
        yield FALSE_CONFLICT, f"#{pull.number} says that both sides changed it"
    elif missing := sorted(word for word in both if word not in pull.body):
        yield LOST, f"#{pull.number} does not show {', '.join(missing)}"


def _kind_of_pull(wanted: Ought, pull: OpenPull) -> str:
    if pull.conflicts and not wanted.person:
        return FALSE_CONFLICT
    return UNDONE if None in wanted.proposals else LOOP_EXTRA
