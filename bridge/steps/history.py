"""Bring a prompt's history along: every version as one commit, all on one branch.

PromptLayer lists no versions, so they are walked by number. The same versions on the same base
always become the same commits: a second run has nothing to push.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import PromptFileError, Refused, UnsafePath
from bridge.forge.base import PullRequest, PullRequestContent
from bridge.forge.ensure import ensure_pull_request
from bridge.prompts.file import render
from bridge.prompts.markdown import defuse, name_span, one_line
from bridge.prompts.plan import find_open
from bridge.prompts.prompt import Prompt, PromptFile, moment_of
from bridge.prompts.target import Target
from bridge.prompts.text_template import TemplateFields, fill_text_template
from bridge.repo.commit import CommitDraft
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.steps.guard import guard
from bridge.steps.observe import BaseFiles, listed
from bridge.steps.site import Site

_AT_ONCE = 8  # prompts whose versions are read at the same time
_NAMED = 50  # prompts that the pull request names

Tell = Callable[[str, int, int], None]  # what is done, how much of it, out of how much
Permit = Callable[[Site], None]  # raises RateLimited when no pull request may be created now


@dataclass(frozen=True)
class Imported:
    """What came of a mapping. ``refusals``: prompt → why it, or a version of it, is left out."""

    prompts: int
    versions: int
    pull_request: PullRequest | None
    refusals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Step:
    """One version of one prompt, as a commit will hold it."""

    date: datetime
    target: Target
    prompt: Prompt
    path: str
    text: bytes

    @property
    def order(self) -> tuple[datetime, Target, int]:
        return self.date, self.target, self.prompt.version or 0


def import_history(site: Site, index: FileIndex, tell: Tell, permit: Permit) -> Imported:
    """Propose the whole history of every prompt that has no file yet. A prompt that the
    repository has already is left alone, and so is a version that holds a secret. Raises Refused
    where somebody else's commits are on the branch, and what the platform or the forge raise."""
    branch = history_branch(site)
    snapshot = site.mirror.fetch(site.forge.git_remote(), site.base, branch)
    files = BaseFiles.at(site, snapshot, snapshot.commit, index)
    reading = _Reading(site, snapshot, frozenset(files.entries), _base_date(snapshot))
    missing = _missing(listed(site, site.mapping.track), files.all().keys())
    steps = reading.steps(missing, tell)
    if not steps:
        return Imported(0, 0, None, tuple(reading.refusals))
    tip = _require_ours(site, snapshot, branch)
    commit = _commits(site, snapshot, steps, tell)
    open_ = find_open(site.forge.pull_requests(branch), snapshot.base)
    if open_ is None:
        permit(site)
    snapshot.push(site.forge.git_remote(), branch, commit, tip)
    ensured = ensure_pull_request(site.forge, open_, branch, snapshot.base, _content(site, steps))
    prompts = len({step.target.prompt_id for step in steps})
    return Imported(prompts, len(steps), ensured.pull_request, tuple(reading.refusals))


def history_branch(site: Site) -> str:
    return f"promptlayer/{site.mapping.name}/history"


def _missing(held: Mapping[Target, Prompt], there: Iterable[Target]) -> dict[Target, Prompt]:
    known = {target.prompt_id for target in there}
    return {target: prompt for target, prompt in held.items() if target.prompt_id not in known}


def _base_date(snapshot: Snapshot) -> datetime:
    return datetime.fromisoformat(snapshot.commit_of(snapshot.commit).committed_at)


class _Reading:
    """Walks the versions of prompts, and remembers what has no place."""

    def __init__(
        self, site: Site, snapshot: Snapshot, taken: frozenset[str], base_date: datetime
    ) -> None:
        self.refusals: list[tuple[str, str]] = []
        self._site = site
        self._snapshot = snapshot
        self._taken = taken
        self._base_date = base_date

    def steps(self, wanted: Mapping[Target, Prompt], tell: Tell) -> list[_Step]:
        """Every version that can be written, the oldest first."""
        places = self._places(wanted)
        steps: list[_Step] = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            jobs = [pool.submit(self._of_prompt, t, wanted[t], p) for t, p in places.items()]
            for done, job in enumerate(jobs, start=1):
                steps += job.result()
                tell("reading versions", done, len(jobs))
        return sorted(steps, key=lambda step: step.order)

    def _places(self, wanted: Mapping[Target, Prompt]) -> dict[Target, str]:
        places: dict[Target, str] = {}
        for target, prompt in sorted(wanted.items()):
            try:
                path = self._site.path(prompt, target.label)
            except UnsafePath as error:
                self.refusals.append((prompt.name, str(error)))
                continue
            if path in self._taken or path in places.values():
                self.refusals.append((prompt.name, f"{path} is there already."))
            else:
                places[target] = path
        obstacles = self._snapshot.obstacles(self._snapshot.commit, list(places.values()))
        self.refusals += [
            (wanted[t].name, obstacles[p]) for t, p in places.items() if p in obstacles
        ]
        return {target: path for target, path in places.items() if path not in obstacles}

    def _of_prompt(self, target: Target, newest: Prompt, path: str) -> list[_Step]:
        steps: list[_Step] = []
        date: datetime | None = None
        for version in self._versions(target, newest):
            created = moment_of(version.created_at) if version.created_at else None
            date = max(filter(None, (date, created)), default=None)  # a clock may have gone back
            try:
                guard(self._site.mapping, version, f"Version {version.version} of it")
                file = PromptFile(version, target.label)
                text = render(file, self._site.mapping.format, modeline=self._site.modeline(path))
            except (Refused, PromptFileError) as error:
                self.refusals.append((newest.name, str(error)))
                continue
            steps.append(_Step(date or self._base_date, target, version, path, text.encode()))
        return steps

    def _versions(self, target: Target, newest: Prompt) -> Iterator[Prompt]:
        """From the first to what the label holds; numbers without a version are passed over."""
        for number in range(1, (newest.version or 0) + 1):
            try:
                version = self._site.platform.prompt(target.prompt_id, version=number)
            except Refused as error:
                self.refusals.append((newest.name, str(error)))
                continue
            if version is not None:
                yield version


def _require_ours(site: Site, snapshot: Snapshot, branch: str) -> str | None:
    """The branch's newest commit, which is the bridge's."""
    tip = snapshot.branches.get(branch)
    if tip is not None and snapshot.commit_of(tip).committer.email != site.bot.identity.email:
        raise Refused(
            f"The branch {branch} of {site.forge.repository} has commits that are not the"
            " bridge's. Merge it, or delete it to have the history imported anew."
        )
    return tip


def _commits(site: Site, snapshot: Snapshot, steps: Sequence[_Step], tell: Tell) -> str:
    """One commit for each step on top of the base; the name of the last."""
    parent = snapshot.commit
    for done, step in enumerate(steps, start=1):
        parent = snapshot.write(_draft(site, parent, step))
        tell("writing commits", done, len(steps))
    return parent


def _draft(site: Site, parent: str, step: _Step) -> CommitDraft:
    return CommitDraft(
        parent=parent,
        changes={step.path: step.text},
        message=_message(site, step),
        author=site.bot.identity,  # PromptLayer does not tell who saved a version
        committer=site.bot.identity,
        date=step.date,
        signing=site.bot.signing,
    )


def _message(site: Site, step: _Step) -> str:
    """Which version it is, and what was written with it. It names no mapping, as those of
    proposals do: nothing of this branch is to be looked at again."""
    prompt = step.prompt
    name, said = one_line(prompt.name), one_line(prompt.commit_message or "")
    summary = defuse(f"{name} version {prompt.version}{f': {said}' if said else ''}")
    values = TemplateFields(
        summary=summary,
        prompt=prompt.name,
        version=str(prompt.version or ""),
        action="import",
        mapping=site.mapping.name,
        message=said,
    )
    what = defuse(f"Version {prompt.version} of {name} (prompt {prompt.id})")
    return f"{fill_text_template(site.mapping.commit.subject, values)}\n\n{what}.\n"


def _content(site: Site, steps: Sequence[_Step]) -> PullRequestContent:
    names = sorted({step.prompt.name for step in steps})
    settings = site.mapping.pull_request
    rest = f"\n- and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    listing = "\n".join(f"- {name_span(name)}" for name in names[:_NAMED])
    return PullRequestContent(
        title=f"Import the history of {len(names):,} prompts (mapping {site.mapping.name})",
        body=f"Every version of these prompts as PromptLayer has it, one commit each. Merge it"
        f" with a merge commit: a squash would leave only the newest.\n\n{listing}{rest}\n",
        draft=settings.draft,
        labels=settings.labels,
        reviewers=settings.reviewers,
        assignees=settings.assignees,
    )
