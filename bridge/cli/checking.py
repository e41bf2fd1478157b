"""``check``: is the file right, and do the credentials suffice?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.console import Console

from bridge.config import Config, load
from bridge.errors import BridgeError
from bridge.forge.base import Finding, Severity
from bridge.site import Site
from bridge.wiring import platform_of, sites_of


def check(path: Path, *, offline: bool) -> None:
    """Tell each finding as it comes; exits with 1 when one of them is a problem."""
    config = load(path)
    console = Console(highlight=False, soft_wrap=True)
    well = True
    for finding in _findings(config, path, offline=offline):
        well = well and finding.severity is Severity.OK
        mark = "[green]ok     [/]" if finding.severity is Severity.OK else "[red]problem[/]"
        console.print(mark, end=" ")
        console.print(finding.message, markup=False)
    if not well:
        raise typer.Exit(1)


def _findings(config: Config, path: Path, *, offline: bool) -> Iterator[Finding]:
    names = ", ".join(mapping.name for mapping in config.mappings)
    yield Finding(Severity.OK, f"{path} is valid. Mappings: {names}.")
    yield from _secrets(config)
    if not offline:
        yield from _asked(config)


def _secrets(config: Config) -> Iterator[Finding]:
    if not config.promptlayer.secrets:
        yield Finding(
            Severity.PROBLEM,
            "promptlayer.webhook_secret is not set: serve will not start. PromptLayer shows the"
            " secret once, when the webhook is registered (Settings, Webhook).",
        )


def _asked(config: Config) -> Iterator[Finding]:
    with platform_of(config) as platform:
        yield from platform.check_access()
        asked: set[tuple[str, str | None]] = set()
        for site in sites_of(config, platform).values():
            place = (site.mapping.repository, site.mapping.base)
            if place not in asked:
                asked.add(place)
                yield from _repository(site)


def _repository(site: Site) -> Iterator[Finding]:
    """What the forge says of the credential, and then git, which may know better."""
    try:
        findings = list(site.forge.check_access())
        if all(finding.severity is Severity.OK for finding in findings):
            site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
            findings.append(Finding(Severity.OK, f"git reads the branch {site.base}."))
    except BridgeError as error:
        findings = [Finding(Severity.PROBLEM, str(error))]
    yield from _named(site.forge.repository, findings)


def _named(repository: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        named = repository in finding.message
        yield finding if named else Finding(finding.severity, f"{repository}: {finding.message}")
