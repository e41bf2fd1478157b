"""Publish: make versions in PromptLayer of what was merged, snippets before those who use them.

PromptLayer has no compare-and-swap. So each prompt is read once more right before, without cache,
and left alone when it is not what the edit was based on: the next comparison then sees that both
sides moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

from bridge.errors import BridgeError, Refused, Stale
from bridge.forge.base import PullRequest, PullRequestState
from bridge.promptlayer.client import PromptLayer
from bridge.promptlayer.writing import Published, Stamp, move_label, publish
from bridge.prompts.agreement import Agreement
from bridge.prompts.order import SnippetCycle, layers
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.publication import NewPrompt, Publication, unpublished_fields
from bridge.prompts.snippets import references
from bridge.prompts.target import Target
from bridge.repo.commit import Commit
from bridge.repo.snapshot import Snapshot
from bridge.steps.guard import guard
from bridge.steps.observe import OneByOne
from bridge.steps.origin import origins
from bridge.steps.site import Site
from bridge.telemetry.trail import carried

AT_ONCE = 8  # publications under way at the same time
_REACH = 50  # versions among which one is looked for that says what a label's file says

Work = Publication | NewPrompt
Tell = Callable[[int, int], None]  # how many are done, out of how many


@dataclass(frozen=True)
class Result:
    """What came of one file."""

    work: Work
    published: Published | None  # None: nothing was made
    problem: BridgeError | None = None
    overtaken: int | None = None  # a version that somebody saved while this one was made
    is_release: bool = False  # no version was made: a label moved to one that there was


def publish_all(
    site: Site, snapshot: Snapshot, work: Sequence[Work], tell: Tell = lambda *_: None
) -> list[Result]:
    """Publish in layers; one that fails stops only those that use it. Results in the order of
    ``work``. Raises only what keeps the repository's history from being read."""
    if not work:
        return []
    came_from = origins(site, snapshot, {one.path for one in work})
    run = _Run(site, came_from, len(work), tell)
    by_name: dict[str, list[Work]] = {}
    for one in work:
        by_name.setdefault(one.prompt.name, []).append(one)
    order, circles = _in_order({name: some[0].prompt for name, some in by_name.items()})
    for name, circle in circles.items():
        for one in by_name[name]:
            run.refuse(one, circle)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for layer in order:
            list(pool.map(carried(run.several), [by_name[name] for name in layer]))
    return [run.results[one.path] for one in work]


def _is_of_latest(work: Work) -> bool:
    return (work.label if isinstance(work, NewPrompt) else work.target.label) == LATEST


def _in_order(prompts: Mapping[str, Prompt]) -> tuple[list[list[str]], dict[str, SnippetCycle]]:
    """Names in layers, and those that have no order because they use each other in a circle."""
    circles: dict[str, SnippetCycle] = {}
    while True:
        try:
            return layers({n: p for n, p in prompts.items() if n not in circles}), circles
        except SnippetCycle as circle:
            circles.update(dict.fromkeys(circle.names, circle))


class _Run:
    """One publishing of many files."""

    def __init__(self, site: Site, came_from: Mapping[str, Commit], count: int, tell: Tell) -> None:
        self.site = site
        self.results: dict[str, Result] = {}  # by path
        self._came_from = came_from
        self._count = count
        self._tell = tell
        self._failed: set[str] = set()
        self._made: dict[str, str] = {}  # name → the digest of the version made last
        self._pull_requests: dict[str, PullRequest | None] = {}  # by commit
        self._asking = Lock()

    def several(self, files: Sequence[Work]) -> None:
        """Files of one prompt, one after the other, the one of the newest version last: that is
        what it is to be."""
        for work in sorted(files, key=_is_of_latest):
            self._note(self._result(work))

    def refuse(self, work: Work, circle: SnippetCycle) -> None:
        words = f"{work.path}: snippets use each other in a circle: {circle}. Break it in one file."
        self._note(Result(work, None, Refused(words)))

    def _note(self, result: Result) -> None:
        self.results[result.work.path] = result
        if result.problem is not None:
            self._failed.add(result.work.prompt.name)
        self._tell(len(self.results), self._count)

    def _result(self, work: Work) -> Result:
        used = {reference.name for reference in references(work.prompt.template)}
        if missing := sorted(used & self._failed):
            return Result(
                work, None, Refused(f"{work.path} uses {missing[0]}, which was not published.")
            )
        try:
            if isinstance(work, NewPrompt):
                return self._new(work)
            return self._next(work)
        except BridgeError as error:
            return Result(work, None, error)

    def _next(self, work: Publication) -> Result:
        found = OneByOne(self.site).held(work.target)
        held = found.prompt
        if held is not None and held.digest == work.prompt.digest:
            return Result(work, None)  # a run that was killed had got so far
        known = work.replaces.digest if work.replaces else None
        if (held.digest if held else None) not in (known, self._made.get(work.prompt.name)):
            raise Stale(f"{work.path} was edited in PromptLayer a moment ago.")
        named = held or found.unlabelled
        if named is None:
            raise Stale(f"{work.path} was deleted in PromptLayer a moment ago.")
        if work.labels and (number := self._version_of(work)) is not None:
            return self._release(work, number)
        prompt = replace(work.prompt, name=named.name, tags=named.tags)
        made = self._publish(prompt, work.path, work.labels)
        return Result(work, made, overtaken=_overtaken(work, held, made))

    def _version_of(self, work: Publication) -> int | None:
        id, digest = work.target.prompt_id, work.prompt.digest
        return find_version(self.site.platform, id, digest)

    def _release(self, work: Publication, number: int) -> Result:
        """The label goes to the version that says what the file says: no new one is made."""
        move_label(self.site.platform, work.target.prompt_id, work.target.label, number)
        return Result(work, Published(work.target.prompt_id, number), is_release=True)

    def _new(self, work: NewPrompt) -> Result:
        existing = find_by_name(self.site, work.prompt.name)
        ours = work.prompt.name in self._made  # by a file of another label
        same = existing is not None and existing.digest == work.prompt.digest
        if existing is None or (ours and not (same and _is_of_latest(work))):
            external_id = f"{self.site.mapping.repository_name}:{work.path}"
            labels = () if _is_of_latest(work) else (work.label,)
            return Result(work, self._publish(work.prompt, work.path, labels, external_id))
        if same and existing.id is not None:
            return Result(work, None)
        raise Refused(
            f"{work.path}: a prompt named {work.prompt.name!r} exists already (id {existing.id})."
            f" Write `id: {existing.id}` into the file to make it a version of that prompt, or"
            " choose another name."
        )

    def _publish(
        self, prompt: Prompt, path: str, labels: Sequence[str], external_id: str | None = None
    ) -> Published:
        commit = self._came_from[path]
        pull_request = self._pull_request(commit)
        message = commit.message.strip().partition("\n")[0]
        if pull_request and len(commit.parents) > 1:  # a merge commit's own words say little
            message = pull_request.title
        guard(self.site.mapping, replace(prompt, commit_message=message), path)
        address = pull_request.url if pull_request else None
        stamp = Stamp(commit.object_name, self.site.mapping.repository, path, address)
        made = publish(
            self.site.platform,
            prompt,
            message=message,
            stamp=stamp,
            labels=labels,
            external_id=external_id,
        )
        self._made[prompt.name] = prompt.digest
        return made

    def _pull_request(self, commit: Commit) -> PullRequest | None:
        """The pull request that a commit was merged with; asked once for each commit. It is told
        for convenience: a forge that does not answer keeps nothing from being published."""
        with self._asking:
            if commit.object_name not in self._pull_requests:
                try:
                    found = self.site.forge.commit_pull_requests(commit.object_name)
                except BridgeError:
                    found = ()
                merged = (one for one in found if one.state is PullRequestState.MERGED)
                self._pull_requests[commit.object_name] = next(merged, None)
        return self._pull_requests[commit.object_name]


def agreements_of(
    site: Site, snapshot: Snapshot, results: Sequence[Result]
) -> dict[Target, Agreement]:
    """What both sides say since these files were published."""
    found = {}
    for result in results:
        work, made = result.work, result.published
        if made is None:
            continue
        digest, commit = work.prompt.digest, snapshot.commit
        found[_target_of(site, work, made)] = Agreement(digest, digest, made.version, commit)
    return found


def _target_of(site: Site, work: Work, made: Published) -> Target:
    if isinstance(work, Publication):
        return work.target
    return Target(site.mapping.name, made.prompt_id, work.label)


def told(result: Result) -> str:
    """What came of one file, in words."""
    if result.problem is not None:
        return str(result.problem)
    if result.published is None:
        return f"{result.work.path} is in PromptLayer already"
    if result.is_release and isinstance(result.work, Publication):
        label, number = result.work.target.label, result.published.version
        name = result.work.prompt.name
        return f"{result.work.path}: label {label} is on version {number} of {name}"
    version = f"version {result.published.version}" if result.published.version else "a new version"
    overtaken = (
        f" (version {result.overtaken} was saved in PromptLayer at the same moment: compare them)"
        if result.overtaken
        else ""
    )
    if isinstance(result.work, NewPrompt):
        return f"{result.work.path} is {version} of {result.work.prompt.name}{overtaken}"
    replaced = result.work.replaces
    unpublished = unpublished_fields(result.work.prompt, replaced) if replaced else None
    kept = f" ({unpublished})" if unpublished else ""
    name = (replaced or result.work.prompt).name
    return f"{result.work.path} is {version} of {name}{overtaken}{kept}"


def find_by_name(site: Site, name: str) -> Prompt | None:
    """The prompt of exactly this name."""
    listed = site.platform.prompts(name=name)
    return next((item.prompt for item in listed if item.prompt.name == name), None)


def find_version(
    platform: PromptLayer, prompt_id: int, digest: str, first: Sequence[int | None] = ()
) -> int | None:
    """The newest version that means this, or one of those that are looked at ``first``; None
    where the newest ones do not."""
    newest = platform.prompt(prompt_id)
    if newest is None or newest.version is None:
        return None
    walked = range(newest.version - 1, max(0, newest.version - _REACH), -1)
    named = (number for number in first if number is not None)
    numbers: list[int] = [*named, newest.version, *walked]
    for number in dict.fromkeys(numbers):
        known = newest if number == newest.version else platform.prompt(prompt_id, version=number)
        if known is not None and known.digest == digest:
            return number
    return None


def _overtaken(work: Publication, held: Prompt | None, made: Published) -> int | None:
    """The number of a version that came between reading and writing; only the newest version's
    number tells, so a label's does not."""
    if work.labels or made.version is None or held is None or held.version is None:
        return None
    return made.version - 1 if made.version > held.version + 1 else None
