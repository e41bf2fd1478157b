"""Import the history of prompts: every version becomes a commit, all on one branch.

PromptLayer lists no versions, so they are read by number. The same versions on the same base always
become the same commits, so a second run pushes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import PromptFileError, RequestRefusedError, UnsafePathError
from bridge.forge.ensure_pull_request import ensure_pull_request
from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.progress import ProgressCallback
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.planning.plan import find_open
from bridge.prompts.prompt import Prompt, PromptFile, parse_timestamp
from bridge.prompts.pull_request.markdown import (
    collapse_to_one_line,
    format_name,
    neutralise_forge_syntax,
)
from bridge.prompts.target import Target
from bridge.prompts.text_template import TemplateFields, fill_text_template
from bridge.reconcile.mapping_context import CreationPermit, MappingContext
from bridge.reconcile.proposal_branch import AuthoredMessage, write_commit
from bridge.reconcile.read_sources import BaseFiles, list_tracked_prompts
from bridge.reconcile.secret_guard import require_no_secrets
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot

_AT_ONCE = 8  # prompts whose versions are read at the same time
_NAMED = 50  # prompts that the pull request names


@dataclass(frozen=True)
class HistoryImportResult:
    """The result of one mapping's import. ``refusals``: prompt → reason why it, or one of its
    versions, is left out."""

    prompts: int
    versions: int
    pull_request: PullRequest | None
    refusals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _VersionCommit:
    """One version of one prompt, as a commit will hold it."""

    date: datetime
    target: Target
    prompt: Prompt
    path: str
    text: bytes

    @property
    def sort_key(self) -> tuple[datetime, Target, int]:
        return self.date, self.target, self.prompt.version or 0


def import_history(
    context: MappingContext, index: PromptFileIndex, tell: ProgressCallback, permit: CreationPermit
) -> HistoryImportResult:
    """Propose the whole history of every prompt that has no file yet. A prompt that the repository
    has already is left alone, and so is a version that holds a secret. Raises RequestRefusedError
    where somebody else's commits are on the branch, and what the platform or the forge raise."""
    branch = build_history_branch_name(context)
    snapshot = context.mirror.fetch(context.forge.create_git_remote(), context.base_branch, branch)
    base_files = BaseFiles.read_at_commit(context, snapshot, snapshot.commit, index)
    reading = _VersionReader(context, snapshot, frozenset(base_files.entries), _base_date(snapshot))
    missing = _missing(
        list_tracked_prompts(context, context.mapping.track), base_files.find_all_targets().keys()
    )
    steps = reading.list_version_commits(missing, tell)
    if not steps:
        return HistoryImportResult(0, 0, None, tuple(reading.refusals))
    tip = _require_ours(context, snapshot, branch)
    commit = _commits(context, snapshot, steps, tell)
    open_ = find_open(context.forge.list_pull_requests(branch), snapshot.base)
    if open_ is None:
        permit(context)
    snapshot.push_branch(context.forge.create_git_remote(), branch, commit, tip)
    ensured = ensure_pull_request(
        context.forge, open_, branch, snapshot.base, _content(context, steps)
    )
    prompts = len({step.target.prompt_id for step in steps})
    return HistoryImportResult(prompts, len(steps), ensured.pull_request, tuple(reading.refusals))


def build_history_branch_name(context: MappingContext) -> str:
    return f"promptlayer/{context.mapping.name}/history"


def _missing(held: Mapping[Target, Prompt], there: Iterable[Target]) -> dict[Target, Prompt]:
    known = {target.prompt_id for target in there}
    return {target: prompt for target, prompt in held.items() if target.prompt_id not in known}


def _base_date(snapshot: RepositorySnapshot) -> datetime:
    return datetime.fromisoformat(snapshot.read_commit(snapshot.commit).committed_at)


class _VersionReader:
    """Reads the versions of prompts, and collects the refusals."""

    def __init__(
        self,
        context: MappingContext,
        snapshot: RepositorySnapshot,
        taken: frozenset[str],
        base_date: datetime,
    ) -> None:
        self.refusals: list[tuple[str, str]] = []
        self._context = context
        self._snapshot = snapshot
        self._taken = taken
        self._base_date = base_date

    def list_version_commits(
        self, wanted: Mapping[Target, Prompt], tell: ProgressCallback
    ) -> list[_VersionCommit]:
        """Every version that can be written, the oldest first."""
        places = self._places(wanted)
        steps: list[_VersionCommit] = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            jobs = [pool.submit(self._of_prompt, t, wanted[t], p) for t, p in places.items()]
            for done, job in enumerate(jobs, start=1):
                steps += job.result()
                tell("reading versions", done, len(jobs))
        return sorted(steps, key=lambda step: step.sort_key)

    def _places(self, wanted: Mapping[Target, Prompt]) -> dict[Target, str]:
        places: dict[Target, str] = {}
        for target, prompt in sorted(wanted.items()):
            try:
                path = self._context.build_file_path(prompt, target.label)
            except UnsafePathError as error:
                self.refusals.append((prompt.name, str(error)))
                continue
            if path in self._taken or path in places.values():
                self.refusals.append((prompt.name, f"{path} is there already."))
            else:
                places[target] = path
        obstacles = self._snapshot.find_obstacles(self._snapshot.commit, list(places.values()))
        self.refusals += [
            (wanted[t].name, obstacles[p]) for t, p in places.items() if p in obstacles
        ]
        return {target: path for target, path in places.items() if path not in obstacles}

    def _of_prompt(self, target: Target, newest: Prompt, path: str) -> list[_VersionCommit]:
        steps: list[_VersionCommit] = []
        date: datetime | None = None
        for version in self._versions(target, newest):
            created = parse_timestamp(version.created_at) if version.created_at else None
            date = max(filter(None, (date, created)), default=None)  # a clock may have gone back
            try:
                require_no_secrets(
                    self._context.mapping, version, f"Version {version.version} of it"
                )
                file = PromptFile(version, target.label)
                text = render_prompt_file(
                    file, self._context.mapping.format, modeline=self._context.build_modeline(path)
                )
            except (RequestRefusedError, PromptFileError) as error:
                self.refusals.append((newest.name, str(error)))
                continue
            steps.append(
                _VersionCommit(date or self._base_date, target, version, path, text.encode())
            )
        return steps

    def _versions(self, target: Target, newest: Prompt) -> Iterator[Prompt]:
        """From the first to what the label holds; numbers without a version are passed over."""
        for number in range(1, (newest.version or 0) + 1):
            try:
                version = self._context.promptlayer.find_prompt(target.prompt_id, version=number)
            except RequestRefusedError as error:
                self.refusals.append((newest.name, str(error)))
                continue
            if version is not None:
                yield version


def _require_ours(context: MappingContext, snapshot: RepositorySnapshot, branch: str) -> str | None:
    """The branch's newest commit, which is the bridge's."""
    tip = snapshot.branches.get(branch)
    if tip is not None and snapshot.read_commit(tip).committer.email != context.bot.identity.email:
        raise RequestRefusedError(
            f"The branch {branch} of {context.forge.repository} has commits that are not the"
            " bridge's. Merge it, or delete it to have the history imported anew."
        )
    return tip


def _commits(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    steps: Sequence[_VersionCommit],
    tell: ProgressCallback,
) -> str:
    """One commit for each step on top of the base; the name of the last."""
    parent = snapshot.commit
    for done, step in enumerate(steps, start=1):
        # PromptLayer does not say who saved a version.
        message = AuthoredMessage(_message(context, step), context.bot.identity, step.date)
        parent = write_commit(context, snapshot, parent, {step.path: step.text}, message)
        tell("writing commits", done, len(steps))
    return parent


def _message(context: MappingContext, step: _VersionCommit) -> str:
    """Build the commit message of a version. It names no mapping, unlike those of proposals, so
    that no reconcile takes the branch for a proposal."""
    prompt = step.prompt
    name, said = (
        collapse_to_one_line(prompt.name),
        collapse_to_one_line(prompt.commit_message or ""),
    )
    summary = neutralise_forge_syntax(
        f"{name} version {prompt.version}{f': {said}' if said else ''}"
    )
    values = TemplateFields(
        summary=summary,
        prompt=prompt.name,
        version=str(prompt.version or ""),
        action="import",
        mapping=context.mapping.name,
        message=said,
    )
    what = neutralise_forge_syntax(f"Version {prompt.version} of {name} (prompt {prompt.id})")
    return f"{fill_text_template(context.mapping.commit.subject, values)}\n\n{what}.\n"


def _content(context: MappingContext, steps: Sequence[_VersionCommit]) -> PullRequestContent:
    names = sorted({step.prompt.name for step in steps})
    settings = context.mapping.pull_request
    rest = f"\n- and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    listing = "\n".join(f"- {format_name(name)}" for name in names[:_NAMED])
    return PullRequestContent(
        title=f"Import the history of {len(names):,} prompts (mapping {context.mapping.name})",
        body=f"Every version of these prompts as PromptLayer has it, one commit each. Merge it"
        f" with a merge commit: a squash would leave only the newest.\n\n{listing}{rest}\n",
        draft=settings.draft,
        labels=settings.labels,
        reviewers=settings.reviewers,
        assignees=settings.assignees,
    )
