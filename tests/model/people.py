"""People on both sides. Whatever they do is done for real, and noted in the model of the page.

An act is drawn from a number of its own, so that a script stays the same when other acts are left
out of it. One that cannot happen now does not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.model.page import LABELS, LATEST, PROD, File, Page, Proposal, Text
from tests.model.reading import (
    ROLES,
    WORD,
    OpenPull,
    parse_file,
    spell_file,
    template_of,
)

Place = tuple[int, str]  # a page and a label
HOWS: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")


@dataclass(frozen=True)
class Act:
    page: int
    name: str
    seed: int


# How often each is drawn, against the others.
WEIGHTS = {
    "save": 8,
    "edit": 8,
    "merge": 8,
    "move_label": 4,
    "decline": 3,
    "merge_own_text": 2,
    "revert_file": 3,
    "save_again": 2,
    "promote": 2,
    "copy_over": 1,
    "edit_version": 2,
    "touch_version": 1,
    "comment": 1,
    "rename": 1,
    "move_file": 1,
    "delete_label": 1,
    "delete_file": 1,
    "restore_file": 1,
    "release": 1,
    "delete_prompt": 0.2,
}


def _all_have_ids(page: Page) -> bool:
    files = (page.file(label) for label in LABELS)
    return all(file.has_id for file in files if file is not None)


class People:
    """``pages`` is the model; what is proposed comes from whoever compares it with the bridge."""

    def __init__(self, environment: BridgeEnvironment) -> None:
        self.environment = environment
        self.pages: dict[int, Page] = {}
        self.ids: dict[int, int] = {}  # page → the prompt's id, once it has one
        self.paths: dict[Place, str] = {}
        self.open: dict[Place, tuple[OpenPull, Proposal]] = {}
        self.dropped: set[str] = set()  # words that a person wrote over, or chose to let go
        self.declines: set[Place] = set()
        self._past: dict[Place, list[File]] = {}
        self._changed: set[Place] = set()  # since the bridge looked
        self._reused: set[int] = set()  # pages where an old text was taken up since then
        self._words = 0

    def has_looked(self) -> None:
        self._changed.clear()
        self._reused.clear()

    def do(self, act: Act) -> bool:
        """Whether it happened."""
        draw, page = random.Random(act.seed), self.pages[act.page]
        doing: Callable[[int, Page, random.Random], bool] = getattr(self, f"_{act.name}")
        try:
            return doing(act.page, page, draw)
        except BridgeError:
            return False

    # How a page begins

    def begin(self, number: int, kind: str) -> None:
        """A prompt that is in step: at latest only, or at both labels; or a new file."""
        name, text = f"support/p{number}", self._text()
        page = Page(name)
        if kind != "new file":
            version = self.environment.registry.save_version(name, template_of(text))
            self.ids[number] = version.prompt_id
            page = page.saved(text)
        if kind == "both labels":
            self.environment.registry.move_label(version.prompt_id, PROD, 1)
            page = page.labelled(1)
        self.pages[number] = page
        labels = LABELS if kind == "both labels" else (LATEST,)
        for label in labels:
            self._write_new(number, label, text)

    def _write_new(self, number: int, label: str, text: Text, *, with_id: bool = True) -> None:
        page, id = self.pages[number], self.ids.get(number) if with_id else None
        path = home(page.name, label)
        self._commit(path, spell_file(page.name, label, text, id, max(1, len(page.versions))))
        self.paths[number, label] = path
        self._note_file(number, label, File(text, page.name, id is not None))

    # PromptLayer

    def _save(self, number: int, page: Page, draw: random.Random) -> bool:
        text = page.platform(LATEST)
        return text is not None and self._save_text(number, page, self._exchange(text, draw))

    def _save_again(self, number: int, page: Page, draw: random.Random) -> bool:
        """Take an old version up again."""
        if page.platform(LATEST) is None or not self._may_reuse(number):
            return False
        return self._save_text(number, page, draw.choice(page.versions))

    def _save_text(self, number: int, page: Page, text: Text) -> bool:
        self.dropped |= set(page.platform(LATEST) or ()) - set(text)
        self.environment.registry.save_version(page.name, template_of(text))
        self._changed.add((number, LATEST))
        self.pages[number] = page.saved(text)
        return True

    def _move_label(self, number: int, page: Page, draw: random.Random) -> bool:
        if page.platform(LATEST) is None or not self._may_reuse(number):
            return False
        version = draw.randint(1, len(page.versions))
        if version == page.prod:
            return False
        self.dropped |= set(page.platform(PROD) or ()) - set(page.versions[version - 1])
        self.environment.registry.move_label(self.ids[number], PROD, version)
        self._changed.add((number, PROD))
        self.pages[number] = page.labelled(version)
        return True

    def _delete_label(self, number: int, page: Page, _draw: random.Random) -> bool:
        text = page.platform(PROD)
        if text is None:
            return False
        self.dropped |= set(text)
        self.environment.registry.delete_label(self.ids[number], PROD)
        self._changed.add((number, PROD))
        self.pages[number] = page.labelled(None)
        return True

    def _delete_prompt(self, number: int, page: Page, _draw: random.Random) -> bool:
        if page.platform(LATEST) is None or not _all_have_ids(page):
            return False
        self.dropped |= {word for text in page.versions for word in text}
        self.environment.registry.delete(self.ids[number])
        self._changed |= {(number, label) for label in LABELS}
        self.pages[number] = replace(page, deleted=True).remembered()
        return True

    def _rename(self, number: int, page: Page, _draw: random.Random) -> bool:
        if page.platform(LATEST) is None or any(label for n, label in self._changed if n == number):
            return False
        if not _all_have_ids(page):
            return False  # docs/limits.md: nothing tells whose a file without an id is then
        name = f"{page.name.partition('-')[0]}-{self._word()[1:-1]}"
        self.environment.registry.rename(self.ids[number], name)
        self._changed |= {(number, label) for label in LABELS}
        self.pages[number] = replace(page, name=name).remembered()
        return True

    # The repository

    def _edit(self, number: int, page: Page, draw: random.Random) -> bool:
        label, file = self._any_file(page, draw)
        return file is not None and self._write_text(
            number, label, file, self._exchange(file.text, draw)
        )

    def _edit_version(self, number: int, page: Page, draw: random.Random) -> bool:
        """Edit, and write another ``version`` or none."""
        return self._edit(number, page, draw) and self._touch_version(number, page, draw)

    def _touch_version(self, number: int, page: Page, draw: random.Random) -> bool:
        label, file = self._any_file(page, draw)
        if file is None:
            return False
        line = draw.choice(["", f"version: {draw.randint(1, 9)}\n"])
        return self._reword(number, label, r"^version: .*\n", line)

    def _comment(self, number: int, page: Page, draw: random.Random) -> bool:
        label, file = self._any_file(page, draw)
        if file is None:
            return False
        pattern, words = draw.choice(
            [
                (r"^(type: chat).*$", r"\1  # of two people"),
                (r"^(label: \w+).*$", r"\1  # keep"),
                (r"^(messages:)", r"# What is said\n\1"),
                (r"^(.*content: )(w\d+x)$", r'\1"\2"'),
            ]
        )
        return self._reword(number, label, pattern, words)

    def _reword(self, number: int, label: str, pattern: str, words: str) -> bool:
        path = self.paths[number, label]
        text = self.environment.repository.text(path) or ""
        changed = re.sub(pattern, words, text, count=1, flags=re.MULTILINE)
        self._commit(path, changed)
        return True

    def _revert_file(self, number: int, page: Page, draw: random.Random) -> bool:
        """Back to what the file said before."""
        label, file = self._any_file(page, draw)
        past = self._past.get((number, label), [])
        if file is None or not past or not self._may_reuse(number):
            return False
        return self._write_text(number, label, file, draw.choice(past).text)

    def _write_text(self, number: int, label: str, file: File, text: Text) -> bool:
        path = self.paths[number, label]
        held = self.environment.repository.text(path) or ""
        self.dropped |= set(file.text) - set(text)
        words = iter(text)
        self._commit(path, WORD.sub(lambda _: next(words), held))
        self._note_file(number, label, replace(file, text=text))
        return True

    def _promote(self, number: int, page: Page, draw: random.Random) -> bool:
        """Copy latest's file over prod's, or to where it belongs."""
        return self._copy(number, page, draw, literally=False)

    def _copy_over(self, number: int, page: Page, draw: random.Random) -> bool:
        """The same as ``cp`` does it, so that prod's file says that it is latest's."""
        return page.file(PROD) is not None and self._copy(number, page, draw, literally=True)

    def _copy(self, number: int, page: Page, _draw: random.Random, *, literally: bool) -> bool:
        source = page.file(LATEST)
        if source is None or number not in self.ids or not self._may_reuse(number):
            return False
        held = self.environment.repository.text(self.paths[number, LATEST]) or ""
        text = held if literally else re.sub(r"^label: latest", "label: prod", held, flags=re.M)
        path = self.paths.setdefault((number, PROD), home(source.name, PROD))
        before = page.file(PROD)
        self.dropped |= set(before.text if before else ()) - set(source.text)
        self._commit(path, text)
        self._note_file(number, PROD, replace(source, says_label=not literally))
        return True

    def _release(self, number: int, page: Page, draw: random.Random) -> bool:
        """A first file for prod, with the prompt's id or without."""
        text = page.platform(LATEST)
        if text is None or page.file(PROD) is not None or not self._may_reuse(number):
            return False
        self._write_new(number, PROD, text, with_id=draw.random() < 0.5)
        return True

    def _move_file(self, number: int, page: Page, draw: random.Random) -> bool:
        label, file = self._any_file(page, draw)
        if file is None or (number, label) in self.open or not (file.has_id and file.says_label):
            return False
        old = self.paths[number, label]
        new = f"prompts/{label}/elsewhere/{number}-{self._word()}.yaml"
        text = (self.environment.repository.text(old) or "").encode()
        self.environment.repository.commit({old: None, new: text})
        self.paths[number, label] = new
        return True

    def _delete_file(self, number: int, page: Page, draw: random.Random) -> bool:
        label, file = self._any_file(page, draw)
        if file is None or number not in self.ids:
            return False
        self.dropped |= set(file.text)
        self.environment.repository.commit({self.paths[number, label]: None})
        self._note_file(number, label, None)
        return True

    def _restore_file(self, number: int, page: Page, draw: random.Random) -> bool:
        """What was removed comes back as it was."""
        gone = [each for each in LABELS if page.file(each) is None and (number, each) in self._past]
        if not gone or page.deleted or not self._may_reuse(number):
            return False
        label = draw.choice(gone)
        file = self._past[number, label][-1]
        path = self.paths[number, label]
        text = spell_file(file.name, label, file.text, self.ids[number], len(page.versions))
        self._commit(path, text)
        self._note_file(number, label, replace(file, has_id=True, says_label=True))
        return True

    # Decisions

    def _merge(self, number: int, page: Page, draw: random.Random) -> bool:
        return self._merge_as(number, page, draw, own=False)

    def _merge_own_text(self, number: int, page: Page, draw: random.Random) -> bool:
        """The reviewer keeps the repository's text on the branch, or writes another."""
        return self._merge_as(number, page, draw, own=True)

    def _merge_as(self, number: int, page: Page, draw: random.Random, *, own: bool) -> bool:
        label, found = self._any_open(number, draw)
        if found is None:
            return False
        pull, proposal = found
        repository = self.environment.repository
        head = repository.head(pull.head)
        if own and not self._amend(page.file(label), pull, draw):
            return False
        try:
            repository.merge(repository.newest(pull.head), draw.choice(HOWS))
        except BridgeError:  # the file was edited on the base branch since
            repository.point(pull.head, head)  # so the reviewer takes back what was not merged
            raise
        path = pull.path or self.paths[number, label]
        merged = parse_file(self.environment.repository.text(path), label)
        self._drop_shown(page, label, pull, proposal, merged)
        self.paths[number, label] = path
        self._note_past(number, label)
        self._changed.add((number, label))
        del self.open[number, label]
        self.pages[number] = page.merged(label, proposal, merged)
        return True

    def _amend(self, file: File | None, pull: OpenPull, draw: random.Random) -> bool:
        if pull.path is None or pull.file is None:
            return False
        held = self.environment.repository.text(pull.path, pull.head) or ""
        keeps = file is not None and draw.random() < 0.5
        text = file.text if keeps and file else self._exchange(pull.file.text, draw)
        words = iter(text)
        changed = WORD.sub(lambda _: next(words), held)
        self.environment.repository.commit({pull.path: changed.encode()}, pull.head)
        return True

    def _decline(self, number: int, page: Page, draw: random.Random) -> bool:
        label, found = self._any_open(number, draw)
        if found is None or (number, label) in self._changed:
            return False
        pull, proposal = found
        self.environment.repository.close(pull.number)
        self._drop_shown(page, label, pull, proposal, page.file(label))
        del self.open[number, label]
        self.pages[number] = page.with_side(label, page.sides[label].decline(proposal))
        return True

    def _drop_shown(
        self, page: Page, label: str, pull: OpenPull, proposal: Proposal, stays: File | None
    ) -> None:
        """A person has seen what was proposed, and every version that was named as overtaken."""
        before = page.file(label)
        seen = set(proposal.of or ()) | set(before.text if before else ())
        for version in named_versions(pull.body, page.versions):
            seen |= set(version)
        self.dropped |= seen - set(stays.text if stays else ())

    # Common to several

    def _commit(self, path: str, text: str) -> None:
        self.environment.repository.commit({path: text.encode()})

    def _note_file(self, number: int, label: str, file: File | None) -> None:
        self._note_past(number, label)
        self._changed.add((number, label))
        self.pages[number] = self.pages[number].with_file(label, file)

    def _note_past(self, number: int, label: str) -> None:
        if (before := self.pages[number].file(label)) is not None:
            self._past.setdefault((number, label), []).append(before)

    def _may_reuse(self, number: int) -> bool:
        """An old text may be taken up once between two looks: twice, nobody could tell which side
        said it first."""
        if number in self._reused:
            return False
        self._reused.add(number)
        return True

    def _any_file(self, page: Page, draw: random.Random) -> tuple[str, File | None]:
        label = draw.choice([each for each in LABELS if page.file(each)] or [LATEST])
        return label, page.file(label)

    def _any_open(
        self, number: int, draw: random.Random
    ) -> tuple[str, tuple[OpenPull, Proposal] | None]:
        label = draw.choice([each for each in LABELS if (number, each) in self.open] or [LATEST])
        return label, self.open.get((number, label))

    def _exchange(self, text: Text, draw: random.Random) -> Text:
        at = draw.randrange(len(text))
        return (*text[:at], self._word(), *text[at + 1 :])

    def _text(self) -> Text:
        return tuple(self._word() for _ in ROLES)

    def _word(self) -> str:
        self._words += 1
        return f"w{self._words - 1}x"

    @property
    def words(self) -> set[str]:
        """Every word that was ever written."""
        return {f"w{number}x" for number in range(self._words)}


def home(name: str, label: str) -> str:
    return f"prompts/{label}/{name}.yaml"


def named_versions(body: str, versions: Sequence[Text]) -> list[Text]:
    """The texts of the versions that a body names."""
    numbers = {int(number) for number in re.findall(r"\bversion (\d+)", body)}
    return [text for n, text in enumerate(versions, start=1) if n in numbers]
