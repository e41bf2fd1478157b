"""``check``: is the file right, and do the credentials suffice?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from bridge.config import Config, load
from bridge.errors import BridgeError
from bridge.forge.base import Finding, Severity
from bridge.wiring import platform_of, sites_of


def check(path: Path, *, offline: bool) -> None:
    config = load(path)
    console = Console(highlight=False, soft_wrap=True)
    findings = [Finding(Severity.OK, f"{path} is valid: {len(config.mappings)} mapping(s).")]
    findings += _secrets(config)
    if not offline:
        findings += _asked(config)
    for finding in findings:
        mark = "[green]ok     [/]" if finding.severity is Severity.OK else "[red]problem[/]"
        console.print(mark, end=" ")
        console.print(finding.message, markup=False)
    if any(finding.severity is Severity.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _secrets(config: Config) -> Iterator[Finding]:
    if not config.promptlayer.secrets:
        yield Finding(
            Severity.PROBLEM,
            "promptlayer.webhook_secret is not set: serve will not start. PromptLayer shows the"
            " secret once, when the webhook is registered (Settings, Webhook).",
        )


def _asked(config: Config) -> Iterator[Finding]:
    with platform_of(config) as platform:
        yield from _named("PromptLayer", platform.check_access())
        asked: set[str] = set()
        for site in sites_of(config, platform).values():
            repository = site.forge.repository
            if repository not in asked:
                asked.add(repository)
                yield from _named(repository, site.forge.check_access())
            try:
                site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
                yield Finding(Severity.OK, f"{repository}: git reads {site.base}.")
            except BridgeError as error:
                yield Finding(Severity.PROBLEM, f"{repository}: {error}")


def _named(whose: str, findings: object) -> Iterator[Finding]:
    assert isinstance(findings, list | tuple)
    for finding in findings:
        yield Finding(finding.severity, f"{whose}: {finding.message}")
