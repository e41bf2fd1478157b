"""Publish merged files as versions in PromptLayer, snippets before the prompts that use them.

PromptLayer has no compare-and-swap. So each prompt is read once more right before, without a cache,
and left alone when it is not the one that the edit was based on: the next comparison then finds
that both sides moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

from bridge.errors import BridgeError, RequestRefusedError, StaleStateError
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.publish_version import (
    PublishedVersion,
    VersionProvenance,
    move_label,
    publish_version,
)
from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.publication import (
    NewPromptFile,
    PromptPublication,
    describe_unpublished_fields,
)
from bridge.prompts.planning.publish_order import SnippetCycleError, build_publish_layers
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.snippets import find_snippet_references
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import SinglePromptReader
from bridge.reconcile.secret_guard import require_no_secrets
from bridge.reconcile.source_commit import find_source_commits
from bridge.repo.commit import GitCommit
from bridge.repo.snapshot import RepositorySnapshot
from bridge.telemetry.log_context import with_log_context

MAX_PARALLEL_PUBLISHES = 8  # publications under way at the same time
_REACH = 50  # versions that are searched for one with the content of a label's file

PublishableFile = PromptPublication | NewPromptFile
PublishProgressCallback = Callable[[int, int], None]  # how many are done, out of how many


@dataclass(frozen=True)
class PublishResult:
    """The result of publishing one file."""

    file: PublishableFile
    published_version: PublishedVersion | None  # None: nothing was made
    problem: BridgeError | None = None
    newer_version: int | None = None  # a version that somebody saved while this one was made
    is_release: bool = False  # no version was made: a label moved to one that there was


def publish_files(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    work: Sequence[PublishableFile],
    tell: PublishProgressCallback = lambda *_: None,
) -> list[PublishResult]:
    """Publish in layers; one that fails stops only those that use it. Results in the order of
    ``file``. Raises only what keeps the repository's history from being read."""
    if not work:
        return []
    came_from = find_source_commits(context, snapshot, {one.path for one in work})
    run = _PublishRun(context, came_from, len(work), tell)
    by_name: dict[str, list[PublishableFile]] = {}
    for one in work:
        by_name.setdefault(one.prompt.name, []).append(one)
    order, circles = _in_order({name: some[0].prompt for name, some in by_name.items()})
    for name, circle in circles.items():
        for one in by_name[name]:
            run.refuse(one, circle)
    with ThreadPoolExecutor(MAX_PARALLEL_PUBLISHES) as pool:
        for layer in order:
            list(pool.map(with_log_context(run.publish_several), [by_name[name] for name in layer]))
    return [run.results[one.path] for one in work]


def _is_of_latest(work: PublishableFile) -> bool:
    return (work.label if isinstance(work, NewPromptFile) else work.target.label) == LATEST


def _in_order(
    prompts: Mapping[str, Prompt],
) -> tuple[list[list[str]], dict[str, SnippetCycleError]]:
    """Names in layers, and those that have no order because they use each other in a circle."""
    circles: dict[str, SnippetCycleError] = {}
    while True:
        try:
            return build_publish_layers(
                {n: p for n, p in prompts.items() if n not in circles}
            ), circles
        except SnippetCycleError as circle:
            circles.update(dict.fromkeys(circle.names, circle))


class _PublishRun:
    """One publishing of many files."""

    def __init__(
        self,
        context: MappingContext,
        came_from: Mapping[str, GitCommit],
        count: int,
        tell: PublishProgressCallback,
    ) -> None:
        self.context = context
        self.results: dict[str, PublishResult] = {}  # by path
        self._came_from = came_from
        self._count = count
        self._tell = tell
        self._failed: set[str] = set()
        self._made: dict[str, str] = {}  # name → the digest of the version made last
        self._pull_requests: dict[str, PullRequest | None] = {}  # by commit
        self._asking = Lock()

    def publish_several(self, files: Sequence[PublishableFile]) -> None:
        """Files of one prompt, one after the other, the one of the newest version last: that is
        what it is to be."""
        for work in sorted(files, key=_is_of_latest):
            self._note(self._result(work))

    def refuse(self, work: PublishableFile, circle: SnippetCycleError) -> None:
        words = f"{work.path}: snippets use each other in a circle: {circle}. Break it in one file."
        self._note(PublishResult(work, None, RequestRefusedError(words)))

    def _note(self, result: PublishResult) -> None:
        self.results[result.file.path] = result
        if result.problem is not None:
            self._failed.add(result.file.prompt.name)
        self._tell(len(self.results), self._count)

    def _result(self, work: PublishableFile) -> PublishResult:
        used = {reference.name for reference in find_snippet_references(work.prompt.template)}
        if missing := sorted(used & self._failed):
            return PublishResult(
                work,
                None,
                RequestRefusedError(f"{work.path} uses {missing[0]}, which was not published."),
            )
        try:
            if isinstance(work, NewPromptFile):
                return self._new(work)
            return self._next(work)
        except BridgeError as error:
            return PublishResult(work, None, error)

    def _next(self, work: PromptPublication) -> PublishResult:
        found = SinglePromptReader(self.context).read_tracked(work.target)
        held = found.prompt
        if held is not None and held.digest == work.prompt.digest:
            return PublishResult(work, None)  # a run that was killed had got so far
        known = work.replaced_version.digest if work.replaced_version else None
        if (held.digest if held else None) not in (known, self._made.get(work.prompt.name)):
            raise StaleStateError(f"{work.path} was edited in PromptLayer a moment ago.")
        named = held or found.unlabelled
        if named is None:
            raise StaleStateError(f"{work.path} was deleted in PromptLayer a moment ago.")
        if work.labels and (number := self._version_of(work)) is not None:
            return self._release(work, number)
        prompt = replace(work.prompt, name=named.name, tags=named.tags)
        made = self._publish(prompt, work.path, work.labels)
        return PublishResult(work, made, newer_version=_overtaken(work, held, made))

    def _version_of(self, work: PromptPublication) -> int | None:
        id, digest = work.target.prompt_id, work.prompt.digest
        return find_version(self.context.promptlayer, id, digest)

    def _release(self, work: PromptPublication, number: int) -> PublishResult:
        """Move the label to an existing version with the file's content: no new version is made."""
        move_label(self.context.promptlayer, work.target.prompt_id, work.target.label, number)
        return PublishResult(work, PublishedVersion(work.target.prompt_id, number), is_release=True)

    def _new(self, work: NewPromptFile) -> PublishResult:
        existing = find_prompt_by_name(self.context, work.prompt.name)
        ours = work.prompt.name in self._made  # by a file of another label
        same = existing is not None and existing.digest == work.prompt.digest
        if existing is None or (ours and not (same and _is_of_latest(work))):
            external_id = f"{self.context.mapping.repository_name}:{work.path}"
            labels = () if _is_of_latest(work) else (work.label,)
            return PublishResult(work, self._publish(work.prompt, work.path, labels, external_id))
        if same and existing.id is not None:
            return PublishResult(work, None)
        raise RequestRefusedError(
            f"{work.path}: a prompt named {work.prompt.name!r} exists already (id {existing.id})."
            f" Write `id: {existing.id}` into the file to make it a version of that prompt, or"
            " choose another name."
        )

    def _publish(
        self, prompt: Prompt, path: str, labels: Sequence[str], external_id: str | None = None
    ) -> PublishedVersion:
        commit = self._came_from[path]
        pull_request = self._pull_request(commit)
        message = commit.message.strip().partition("\n")[0]
        if pull_request and len(commit.parents) > 1:  # a merge commit's own words say little
            message = pull_request.title
        require_no_secrets(self.context.mapping, replace(prompt, commit_message=message), path)
        address = pull_request.url if pull_request else None
        provenance = VersionProvenance(
            commit.object_id, self.context.mapping.repository, path, address
        )
        made = publish_version(
            self.context.promptlayer,
            prompt,
            message=message,
            provenance=provenance,
            labels=labels,
            external_id=external_id,
        )
        self._made[prompt.name] = prompt.digest
        return made

    def _pull_request(self, commit: GitCommit) -> PullRequest | None:
        """Find the pull request that a commit was merged with; one request for each commit. It
        is informative only: where the forge does not answer, publishing goes on."""
        with self._asking:
            if commit.object_id not in self._pull_requests:
                try:
                    found = self.context.forge.list_pull_requests_of_commit(commit.object_id)
                except BridgeError:
                    found = ()
                merged = (one for one in found if one.state is PullRequestState.MERGED)
                self._pull_requests[commit.object_id] = next(merged, None)
        return self._pull_requests[commit.object_id]


def build_published_agreements(
    context: MappingContext, snapshot: RepositorySnapshot, results: Sequence[PublishResult]
) -> dict[Target, Agreement]:
    """Build the agreements on the files that were published."""
    found = {}
    for result in results:
        work, made = result.file, result.published_version
        if made is None:
            continue
        digest, commit = work.prompt.digest, snapshot.commit
        found[_target_of(context, work, made)] = Agreement(digest, digest, made.version, commit)
    return found


def _target_of(context: MappingContext, work: PublishableFile, made: PublishedVersion) -> Target:
    if isinstance(work, PromptPublication):
        return work.target
    return Target(context.mapping.name, made.prompt_id, work.label)


def describe_publish_result(result: PublishResult) -> str:
    """Describe the result of one file."""
    if result.problem is not None:
        return str(result.problem)
    if result.published_version is None:
        return f"{result.file.path} is in PromptLayer already"
    if result.is_release and isinstance(result.file, PromptPublication):
        label, number = result.file.target.label, result.published_version.version
        name = result.file.prompt.name
        return f"{result.file.path}: label {label} is on version {number} of {name}"
    version = (
        f"version {result.published_version.version}"
        if result.published_version.version
        else "a new version"
    )
    overtaken = (
        f" (version {result.newer_version} was saved in PromptLayer at the same moment: compare them)"
        if result.newer_version
        else ""
    )
    if isinstance(result.file, NewPromptFile):
        return f"{result.file.path} is {version} of {result.file.prompt.name}{overtaken}"
    replaced = result.file.replaced_version
    unpublished = describe_unpublished_fields(result.file.prompt, replaced) if replaced else None
    kept = f" ({unpublished})" if unpublished else ""
    name = (replaced or result.file.prompt).name
    return f"{result.file.path} is {version} of {name}{overtaken}{kept}"


def find_prompt_by_name(context: MappingContext, name: str) -> Prompt | None:
    """The prompt of exactly this name."""
    listed = context.promptlayer.list_prompts(name=name)
    return next((item.prompt for item in listed if item.prompt.name == name), None)


def find_version(
    promptlayer: PromptLayerClient,
    prompt_id: int,
    digest: str,
    first: Sequence[int | None] = (),
    *,
    reach: int = _REACH,
) -> int | None:
    """Find the newest version with this digest, or one of ``first``, which are read before; None
    where the ``reach`` newest ones differ."""
    newest = promptlayer.find_prompt(prompt_id)
    if newest is None or newest.version is None:
        return None
    walked = range(newest.version - 1, max(0, newest.version - reach), -1)
    named = (number for number in first if number is not None)
    numbers: list[int] = [*named, newest.version, *walked]
    for number in dict.fromkeys(numbers):
        known = (
            newest
            if number == newest.version
            else promptlayer.find_prompt(prompt_id, version=number)
        )
        if known is not None and known.digest == digest:
            return number
    return None


def _overtaken(work: PromptPublication, held: Prompt | None, made: PublishedVersion) -> int | None:
    """Find the number of a version that was saved between reading and writing; only the newest
    version's number shows one, a label's does not."""
    if work.labels or made.version is None or held is None or held.version is None:
        return None
    return made.version - 1 if made.version > held.version + 1 else None
