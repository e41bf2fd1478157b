"""``check``: is the file right, and do the credentials suffice?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import typer
from rich.console import Console

from bridge.config.whole import Config, Loaded, load_files
from bridge.errors import BridgeError
from bridge.forge.base import Finding, Severity
from bridge.promptlayer.workspace import section_of
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.repo.version import require_git
from bridge.steps.coverage import check_coverage
from bridge.steps.push_rules import check_push_rules
from bridge.steps.site import Site
from bridge.steps.stored_files import find_unreadable_storage
from bridge.storage.address import file_of
from bridge.storage.database import ask
from bridge.wiring import Adapters, database_url, platform_of

_MARKS = {
    Severity.OK: "[green]ok     [/]",
    Severity.WARNING: "[yellow]warning[/]",
    Severity.PROBLEM: "[red]problem[/]",
}


def check(path: Path, *, offline: bool) -> None:
    """Tell each finding as it comes; exits with 1 when one of them is a problem, and not for a
    warning: what takes no prompt in may be about one that is made later."""
    loaded = load_files(path)
    console = Console(highlight=False, soft_wrap=True)
    well = True
    for finding in _findings(loaded, offline=offline):
        well = well and finding.severity is not Severity.PROBLEM
        console.print(_MARKS[finding.severity], end=" ")
        console.print(finding.message, markup=False)
    if not well:
        raise typer.Exit(1)


def _findings(loaded: Loaded, *, offline: bool) -> Iterator[Finding]:
    for path, names in loaded.files.items():
        holds = f"Mappings: {', '.join(names)}." if names else "It has no mappings."
        yield Finding(Severity.OK, f"{path} is valid. {holds}")
    yield from _git()
    yield from _secrets(loaded.config)
    yield from _database(loaded.config, offline=offline)
    if not offline:
        yield from _asked(loaded.config)


def _git() -> Iterator[Finding]:
    try:
        require_git()
    except BridgeError as error:
        yield Finding(Severity.PROBLEM, str(error))


def _secrets(config: Config) -> Iterator[Finding]:
    for source, settings in config.by_source.items():
        if not settings.secrets:
            yield Finding(
                Severity.PROBLEM,
                f"{section_of(source)}.webhook_secret is not set: serve will not start. PromptLayer"
                " shows the secret once, when the webhook is registered (Settings, Webhook).",
            )


def _database(config: Config, *, offline: bool) -> Iterator[Finding]:
    """Of one that bridge.yaml names: does the address make sense, and does its server answer? What
    it holds stays as it is, so that this may run while an older bridge does."""
    if config.database is None:
        return
    url = database_url(config)
    try:
        if file_of(url) is None and not offline:
            yield Finding(Severity.OK, f"The database {ask(url)} answers.")
    except BridgeError as error:
        yield Finding(Severity.PROBLEM, str(error))


def _asked(config: Config) -> Iterator[Finding]:
    for source in config.by_source:
        with platform_of(config, source) as platform:
            found = platform.check_access()
        yield from found if config.promptlayer else _named(section_of(source), found)
    with closing(Adapters()) as adapters:
        places: dict[tuple[str, str | None], list[Site]] = {}
        for site in adapters.sites(config).values():
            places.setdefault((site.mapping.repository, site.mapping.base), []).append(site)
        for sites in places.values():
            yield from _repository(sites)
            yield from _coverage(sites)


def _repository(sites: Sequence[Site]) -> Iterator[Finding]:
    """What the forge says of the credential, and then git, which may know better; for all mappings
    of one place."""
    site, findings = sites[0], list[Finding]()
    try:
        statuses = any("evals" in each.mapping.model_fields_set for each in sites)
        drafts = any(each.mapping.pull_request.draft for each in sites)
        findings += site.forge.check_access(statuses=statuses, drafts=drafts)
        if all(finding.severity is Severity.OK for finding in findings):
            remote, snapshot = site.forge.git_remote(), site.fetch()
            findings.append(Finding(Severity.OK, f"git reads the branch {site.base}."))
            snapshot.check_push(remote, f"{site.branches}check")
            findings.append(Finding(Severity.OK, f"git may push branches {site.branches}…"))
            for each in sites:
                findings += check_push_rules(each)
            findings += _stored(sites, snapshot)
    except BridgeError as error:
        findings.append(Finding(Severity.PROBLEM, str(error)))
    yield from _named(site.forge.repository, findings)


def _stored(sites: Sequence[Site], snapshot: Snapshot) -> list[Finding]:
    """Prompt files that git keeps in another form than people see."""
    index = FileIndex()
    told = (words for one in sites for words in find_unreadable_storage(one, snapshot, index))
    return [Finding(Severity.PROBLEM, words) for words in dict.fromkeys(told)]


def _coverage(sites: Sequence[Site]) -> Iterator[Finding]:
    """The settings of mappings that take no prompt in. Who cannot be asked was told already."""
    for site in sites:
        with suppress(BridgeError):
            for gap in check_coverage(site):
                words = gap.message[0].upper() + gap.message[1:]
                yield Finding(Severity.WARNING, f"{words}{'' if words.endswith('?') else '.'}")


def _named(about: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        named = about in finding.message
        yield finding if named else Finding(finding.severity, f"{about}: {finding.message}")
