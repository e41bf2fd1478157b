"""``check``: validate bridge.yaml and try its credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import typer
from rich.console import Console

from bridge.config.bridge_config import BridgeConfig, LoadedConfig, load_config_with_files
from bridge.config.serving_conflicts import find_serving_gaps
from bridge.errors import BridgeError, TransientError
from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.promptlayer.workspace_source import find_config_section
from bridge.reconcile.coverage import check_coverage
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.push_rules import check_push_rules
from bridge.reconcile.stored_files import find_unreadable_storage
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot
from bridge.repo.version import require_git
from bridge.storage.database import check_connection, check_sqlite_file
from bridge.storage.database_address import find_sqlite_file
from bridge.web.template_filters import format_duration
from bridge.wiring import (
    AdapterCache,
    build_database_url,
    build_queue_database_url,
    create_promptlayer,
)

_MARKS = {
    AccessFindingSeverity.OK: "[green]ok     [/]",
    AccessFindingSeverity.WARNING: "[yellow]warning[/]",
    AccessFindingSeverity.PROBLEM: "[red]problem[/]",
}


def check(path: Path, *, offline: bool) -> None:
    """Print each finding as it is made. Exits with 1 when one of them is a problem. A warning does
    not fail: a setting that matches no prompt may be for one that is created later."""
    loaded = load_config_with_files(path, defer_secrets=offline)
    console = Console(highlight=False, soft_wrap=True)
    well = True
    for finding in _findings(loaded, offline=offline):
        well = well and finding.severity is not AccessFindingSeverity.PROBLEM
        console.print(_MARKS[finding.severity], end=" ")
        console.print(finding.message, markup=False)
    if not well:
        raise typer.Exit(1)


def _findings(loaded: LoadedConfig, *, offline: bool) -> Iterator[AccessFinding]:
    for path, names in loaded.files.items():
        holds = f"Mappings: {', '.join(names)}." if names else "It has no mappings."
        yield AccessFinding(AccessFindingSeverity.OK, f"{path} is valid. {holds}")
    for mapping in loaded.config.mappings:
        if mapping.pause:
            text = mapping.explain_pause()
            message = f"{text[0].upper()}{text[1:]}."
            yield AccessFinding(AccessFindingSeverity.WARNING, message)
    yield from _git()
    yield from _secrets(loaded.config)
    yield from _serving(loaded.config)
    yield from _database(loaded.config, offline=offline)
    if not offline:
        yield from _asked(loaded.config)


def _git() -> Iterator[AccessFinding]:
    try:
        require_git()
    except BridgeError as error:
        yield AccessFinding(AccessFindingSeverity.PROBLEM, str(error))


def _secrets(config: BridgeConfig) -> Iterator[AccessFinding]:
    for source, settings in config.workspace_by_source.items():
        if not (settings.webhook_secret or settings.webhook_secrets):
            yield AccessFinding(
                AccessFindingSeverity.WARNING, describe_missing_secret(config, source)
            )


def describe_missing_secret(config: BridgeConfig, source: str) -> str:
    """What ``serve`` does for a workspace whose webhooks have no secret."""
    return (
        f"{find_config_section(source)}.webhook_secret is not set: serve receives no webhooks of"
        f" PromptLayer and finds changes only by its resync, every {format_duration(config.sweep)}."
        " PromptLayer shows the secret once, when the webhook is registered (Settings, Webhook)."
    )


def _serving(config: BridgeConfig) -> Iterator[AccessFinding]:
    for message in find_serving_gaps(config.mappings, config.serve):
        yield AccessFinding(AccessFindingSeverity.WARNING, message)


def _database(config: BridgeConfig, *, offline: bool) -> Iterator[AccessFinding]:
    """Check the databases: their address, and whether the server answers or the SQLite files can be
    opened. Nothing is migrated, so that this may run beside an older bridge."""
    try:
        urls = (build_database_url(config), build_queue_database_url(config))
        files = [file for url in urls if (file := find_sqlite_file(url)) is not None]
        for file in dict.fromkeys(files):
            check_sqlite_file(file)
            if file.exists():  # else the first start makes it
                yield AccessFinding(AccessFindingSeverity.OK, f"The database {file} can be opened.")
        if not (files or offline):
            yield AccessFinding(
                AccessFindingSeverity.OK, f"The database {check_connection(urls[0])} answers."
            )
    except BridgeError as error:
        yield AccessFinding(AccessFindingSeverity.PROBLEM, str(error))


def _asked(config: BridgeConfig) -> Iterator[AccessFinding]:
    for source in config.workspace_by_source:
        with create_promptlayer(config, source) as promptlayer:
            found = promptlayer.check_access()
        yield from found if config.promptlayer else _named(find_config_section(source), found)
    with closing(AdapterCache()) as adapters:
        places: dict[tuple[str, str | None], list[MappingContext]] = {}
        for context in adapters.build_contexts(config).values():
            places.setdefault((context.mapping.repository, context.mapping.base), []).append(
                context
            )
        for contexts in places.values():
            yield from _repository(contexts)
            yield from _coverage(contexts)


def _repository(contexts: Sequence[MappingContext]) -> Iterator[AccessFinding]:
    """Check the access of the credential, by the forge's API and then by git, for all mappings of
    one repository and base branch."""
    context, findings = contexts[0], list[AccessFinding]()
    try:
        statuses = any("evals" in each.mapping.model_fields_set for each in contexts)
        drafts = any(each.mapping.pull_request.draft for each in contexts)
        findings += context.forge.check_access(statuses=statuses, drafts=drafts)
        if all(finding.severity is AccessFindingSeverity.OK for finding in findings):
            remote, snapshot = context.forge.create_git_remote(), context.fetch()
            findings.append(
                AccessFinding(
                    AccessFindingSeverity.OK, f"git reads the branch {context.base_branch}."
                )
            )
            snapshot.check_push(remote, f"{context.branch_prefix}check")
            findings.append(
                AccessFinding(
                    AccessFindingSeverity.OK, f"git may push branches {context.branch_prefix}…"
                )
            )
            for each in contexts:
                findings += check_push_rules(each)
            findings += _stored(contexts, snapshot)
    except BridgeError as error:
        again = " Run check again." if isinstance(error, TransientError) else ""
        findings.append(AccessFinding(AccessFindingSeverity.PROBLEM, f"{error}{again}"))
    yield from _named(context.forge.repository, findings)


def _stored(
    contexts: Sequence[MappingContext], snapshot: RepositorySnapshot
) -> list[AccessFinding]:
    """Find prompt files that git stores in another form than a checkout shows."""
    index = PromptFileIndex()
    messages = (text for one in contexts for text in find_unreadable_storage(one, snapshot, index))
    return [AccessFinding(AccessFindingSeverity.PROBLEM, text) for text in dict.fromkeys(messages)]


def _coverage(contexts: Sequence[MappingContext]) -> Iterator[AccessFinding]:
    """Find the settings of mappings that match no prompt. A forge or PromptLayer that does not
    answer is reported already."""
    for context in contexts:
        with suppress(BridgeError):
            for gap in check_coverage(context):
                text = gap.message[0].upper() + gap.message[1:]
                yield AccessFinding(
                    AccessFindingSeverity.WARNING, f"{text}{'' if text.endswith('?') else '.'}"
                )


def _named(about: str, findings: Sequence[AccessFinding]) -> Iterator[AccessFinding]:
    for finding in findings:
        named = about in finding.message
        yield finding if named else AccessFinding(finding.severity, f"{about}: {finding.message}")
