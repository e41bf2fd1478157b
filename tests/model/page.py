"""A model of one prompt's page: what both sides say, what people decided, and what ought to happen.

Plain values. Nothing here is the bridge's: the rules are those that are promised to people. A text
is a tuple of words, one for each message, and every word is written once, so that it is clear who
changed what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

LATEST, PROD = "latest", "prod"
LABELS = (LATEST, PROD)

Text = tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A prompt file on the base branch."""

    text: Text
    name: str
    has_id: bool = True
    says_label: bool = True  # False: it names the label of the file it was copied from


@dataclass(frozen=True)
class Proposal:
    """An open pull request: what merging makes of the file."""

    text: Text | None  # None: the file goes
    name: str
    both: tuple[str, ...] = ()  # words that the body has to show: both sides changed the same part
    of: Text | None = None  # what PromptLayer said when it was made


@dataclass(frozen=True)
class Side:
    """One target: what the repository says of it, and what was agreed."""

    file: File | None = None
    agreed: Text | None = None  # the last text that both sides said; None: neither had any
    declined: Proposal | None = None  # answered by a person, until a side says something else
    declined_file: File | None = None

    def decline(self, proposal: Proposal) -> Side:
        return replace(self, declined=proposal, declined_file=self.file)


@dataclass(frozen=True)
class Page:
    """Everything there is of one prompt."""

    name: str
    versions: tuple[Text, ...] = ()
    prod: int | None = None  # the version that the label is on
    deleted: bool = False
    hotfixes: frozenset[int] = frozenset()  # versions that were made of prod's file
    sides: Mapping[str, Side] = field(default_factory=lambda: {each: Side() for each in LABELS})

    def platform(self, label: str) -> Text | None:
        """What PromptLayer says of a target."""
        if self.deleted or not self.versions:
            return None
        if label == LATEST:
            return self.versions[-1]
        return self.versions[self.prod - 1] if self.prod else None

    def file(self, label: str) -> File | None:
        return self.sides[label].file

    def with_side(self, label: str, side: Side) -> Page:
        return replace(self, sides={**self.sides, label: side}).remembered()

    def with_file(self, label: str, file: File | None) -> Page:
        return self.with_side(label, replace(self.sides[label], file=file))

    def saved(self, text: Text) -> Page:
        return replace(self, versions=(*self.versions, text)).remembered()

    def labelled(self, version: int | None) -> Page:
        return replace(self, prod=version).remembered()

    def merged(self, label: str, proposal: Proposal, file: File | None) -> Page:
        """A proposal was merged: what PromptLayer said in it is agreed, whatever came of it."""
        side = replace(self.sides[label], file=file, agreed=proposal.of, declined=None)
        return self.with_side(label, side)

    def remembered(self) -> Page:
        """With what is agreed now, after either side did something."""
        return replace(
            self, sides={label: self._remembered(label, side) for label, side in self.sides.items()}
        )

    def _remembered(self, label: str, side: Side) -> Side:
        platform, file = self.platform(label), side.file
        if platform == (file.text if file else None):
            return replace(side, agreed=platform)
        declined = side.declined
        if declined is None or self._is_declined(label, side):
            return side
        if self._is_about(declined, platform):
            return replace(side, agreed=platform)  # the repository's next word goes on its way
        return side

    def _is_declined(self, label: str, side: Side) -> bool:
        declined = side.declined
        return (
            declined is not None
            and self._is_about(declined, self.platform(label))
            and side.declined_file == side.file
        )

    def _is_about(self, declined: Proposal, platform: Text | None) -> bool:
        """Whether a declined proposal answers what PromptLayer says now. A removal has no name."""
        if declined.text is None:
            return platform is None
        return (declined.of, declined.name) == (platform, self.name)

    def is_declined(self, label: str) -> bool:
        return self._is_declined(label, self.sides[label])

    def looked_at(self) -> Page:
        """Declined is a text until either side says something else when the bridge looks."""
        sides = {
            label: side if self._is_declined(label, side) else replace(side, declined=None)
            for label, side in self.sides.items()
        }
        return replace(self, sides=sides)


@dataclass(frozen=True)
class Ought:
    """What ought to become of one target: published, or one of these proposals (None: none)."""

    publish: bool = False
    proposals: tuple[Proposal | None, ...] = (None,)
    person: bool = False  # both sides moved, so a person may be asked


def find_ought(page: Page, label: str) -> Ought:
    """Who moved since both last said the same? Answers for the target as it is now."""
    side, platform = page.sides[label], page.platform(label)
    file = side.file
    if page.is_declined(label):
        return Ought(person=(file.text if file else None) != side.agreed)
    if file is None:
        return _without_file(page, platform, side.agreed)
    if platform is None:
        return _without_prompt(page, file, side.agreed)
    if platform == file.text:
        return Ought(proposals=_naming(page, file, platform))
    if platform == side.agreed:
        return Ought(publish=True, proposals=_naming(page, file, platform))
    if file.text == side.agreed:
        return Ought(proposals=(Proposal(platform, page.name, of=platform),))
    return _both_moved(page, file, platform, side.agreed)


def _without_file(page: Page, platform: Text | None, agreed: Text | None) -> Ought:
    if platform is None:
        return Ought()
    again = Proposal(platform, page.name, of=platform)
    if platform == agreed:  # somebody removed the file: left so, or offered once more
        return Ought(proposals=(None, again), person=True)
    return Ought(proposals=(again,), person=agreed is not None)


def _without_prompt(page: Page, file: File, agreed: Text | None) -> Ought:
    removal = Proposal(None, page.name)
    if file.text == agreed:
        return Ought(proposals=(removal,))
    if agreed is None and not page.deleted:
        return Ought(publish=True, proposals=_naming(page, file, file.text))
    return Ought(proposals=(None, removal), person=True)


def _naming(page: Page, file: File, text: Text) -> tuple[Proposal | None, ...]:
    """The file says the same and calls it otherwise."""
    if file.name == page.name and file.has_id and file.says_label:
        return (None,)
    return (Proposal(file.text, page.name, of=text),)


def _both_moved(page: Page, file: File, platform: Text, agreed: Text | None) -> Ought:
    if agreed is None:
        return Ought(proposals=(Proposal(platform, page.name, of=platform),), person=True)
    merged, both = merge_texts(agreed, platform, file.text)
    if not both and merged == file.text:
        return Ought(publish=True, proposals=_naming(page, file, platform))
    return Ought(proposals=(Proposal(merged, page.name, both, platform),), person=True)


def merge_texts(agreed: Text, platform: Text, file: Text) -> tuple[Text, tuple[str, ...]]:
    """Word by word, PromptLayer's where both changed it; and the words where both did."""
    merged, both = [], list[str]()
    for was, theirs, ours in zip(agreed, platform, file, strict=True):
        if was not in (theirs, ours) and theirs != ours:
            both += [theirs, ours]
        merged.append(ours if theirs == was else theirs)
    return tuple(merged), tuple(both)


def settle_page(page: Page) -> tuple[Page, ...]:
    """The page once everything that ought to be published is: one page for each order in which
    the files of both labels may be taken, and for whether an edit of latest's file waits for a
    person because a hotfix through prod's was published before: that is no person's save, wherever
    prod is by now."""
    page = page.looked_at()
    found = [_settled(page, order, together=False) for order in (LABELS, LABELS[::-1])]
    found.append(_settled(page, LABELS[::-1], together=True))  # that of the newest version last
    found.append(_settled(page, LABELS, together=False, over_hotfix=True))
    return tuple(one for n, one in enumerate(found) if one not in found[:n])


def _settled(
    page: Page, order: Iterable[str], *, together: bool, over_hotfix: bool = False
) -> Page:
    order = tuple(order)
    while due := [label for label in order if _is_due(page, label, over_hotfix)]:
        for label in due if together else due[:1]:
            page = publish_file(page, label)
    return page


def _is_due(page: Page, label: str, over_hotfix: bool) -> bool:
    ought, file = find_ought(page, label), page.file(label)
    if ought.publish or not over_hotfix or label != LATEST or file is None or page.deleted:
        return ought.publish
    edited = ought.person and not page.is_declined(label)
    return edited and len(page.versions) in page.hotfixes


def publish_file(page: Page, label: str) -> Page:
    """A file becomes a version; a label moves to the newest that has its text, if one has."""
    file = page.file(label)
    assert file is not None
    numbers = [n for n, text in enumerate(page.versions, start=1) if text == file.text]
    if label == LATEST:
        page = page if page.platform(LATEST) == file.text else page.saved(file.text)
    else:
        if not numbers:
            page = page.saved(file.text)
            page = replace(page, hotfixes=page.hotfixes | {len(page.versions)})
        page = page.labelled(numbers[-1] if numbers else len(page.versions))
    return page.with_side(label, replace(page.sides[label], agreed=file.text, declined=None))
