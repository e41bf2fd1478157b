"""The rules of the house, read from the source: who may import whom, which words stand where, and
how long things may get."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 450  # lines; a longer one is likely to hold more than one concept
LONGEST_FUNCTION = 50


@dataclass(frozen=True)
class Module:
    name: str  # dotted
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Dotted names of everything imported, anywhere in the module; of a name taken from a
        module, both ``module`` and ``module.name``."""
        return frozenset(name for node in ast.walk(self.tree) for name in _imported(node))

    @property
    def read_at_once(self) -> frozenset[str]:
        """The dotted names that are imported as soon as the module is."""
        return frozenset(name for node in self.tree.body for name in _imported(node))

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def _imported(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports name their module in full"
        return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


@cache
def modules() -> Mapping[str, Module]:
    found = {}
    for path in sorted((ROOT / "bridge").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = Module(name, path)
    return found


def importers(of: str) -> set[str]:
    """The modules that import a module or package, or anything in it."""
    return {
        module.name
        for module in modules().values()
        if any(name == of or name.startswith(f"{of}.") for name in module.imports)
    }


def below(*packages: str) -> set[str]:
    """The modules of packages, themselves included."""
    return {
        name
        for name in modules()
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    }


def test_there_is_something_to_read() -> None:
    assert len(modules()) > 50
    assert importers("bridge.errors")


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: set(_needed(module)) for name, module in modules().items()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"an import circle: {' → '.join(error.args[1])}")


def _needed(module: Module) -> Iterator[str]:
    """The modules that have to be read first. A package is not, where only its parts are named."""
    for name in module.imports & modules().keys():
        parts = {
            other for other in module.imports & modules().keys() if other.startswith(f"{name}.")
        }
        if not (parts and modules()[name].path.name == "__init__.py"):
            yield name


@pytest.mark.parametrize("adapter", ["github", "gitlab", "local"])
def test_only_wiring_imports_an_adapter(adapter: str) -> None:
    parts = {name for name in modules() if name.startswith(f"bridge.forge.{adapter}")}
    sandbox = below("bridge.sandbox") if adapter == "local" else set()

    allowed = parts | {"bridge.wiring"} | sandbox
    assert {user for part in parts for user in importers(part)} <= allowed


def test_only_the_command_line_imports_wiring() -> None:
    assert importers("bridge.wiring") <= below("bridge.cli")


def test_nothing_imports_the_command_line() -> None:
    assert importers("bridge.cli") <= below("bridge.cli", "bridge.__main__")


def test_a_page_of_help_waits_for_no_library_but_its_own() -> None:
    reached, ahead = set[str](), {"bridge.cli"}
    while ahead:
        reached |= ahead
        ahead = {name for one in ahead for name in modules()[one].read_at_once & modules().keys()}
        ahead -= reached

    read = {name.partition(".")[0] for one in reached for name in modules()[one].read_at_once}
    assert read - sys.stdlib_module_names == {"bridge", "typer"}


@pytest.mark.parametrize(
    ("room", "above"),
    [
        ("bridge.storage", ("bridge.status", "bridge.engine", "bridge.reconcile")),
        ("bridge.status", ("bridge.engine", "bridge.reconcile")),
        ("bridge.reconcile", ("bridge.engine", "bridge.status", "bridge.storage")),
        ("bridge.engine", ("bridge.web",)),
        ("bridge.web", ("bridge.reconcile",)),
        ("bridge.serve", ("bridge.engine", "bridge.status", "bridge.web")),
    ],
)
def test_a_room_imports_nothing_from_above_it(room: str, above: tuple[str, ...]) -> None:
    assert not {user for each in above for user in importers(each)} & below(room)


def test_only_the_command_line_imports_the_sandbox() -> None:
    assert importers("bridge.sandbox") <= below("bridge.cli", "bridge.sandbox")


PURE_LIBRARY = {
    "__future__",
    "base64",
    "binascii",
    "codecs",
    "collections",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "functools",
    "importlib.resources",  # data files of the package itself
    "graphlib",
    "hashlib",
    "html",
    "io",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "textwrap",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
}
PURE_PACKAGES = {"jinja2", "pydantic", "pydantic_core", "yaml", "ruamel.yaml"}
PURE_ROOMS = ("bridge.prompts", "bridge.errors", "bridge.forge.forge")


@pytest.mark.parametrize("name", sorted(below("bridge.prompts")))
def test_prompts_reach_for_nothing_outside_themselves(name: str) -> None:
    """No network, no clock, no disk: values in, values out."""
    allowed = (*PURE_LIBRARY, *PURE_PACKAGES, *PURE_ROOMS)

    foreign = {
        used
        for used in modules()[name].imports
        if not any(used == known or used.startswith(f"{known}.") for known in allowed)
    }
    assert not foreign


@pytest.mark.parametrize("name", sorted(below("bridge.prompts")))
def test_prompts_do_not_ask_for_the_time(name: str) -> None:
    assert not re.search(r"\b(?:datetime|date)\.(?:now|utcnow|today)\b", modules()[name].text)


HOMES: Mapping[str, tuple[str, ...]] = {
    "github": (
        "bridge.forge.github",
        "bridge.forge.github_credentials",
        "bridge.forge.github_pull_requests",
        "bridge.forge.github_session",
    ),
    "gitlab": ("bridge.forge.gitlab", "bridge.forge.gitlab_errors"),
    "git": ("bridge.repo", "bridge.forge.local_repository"),
    "dbos": ("bridge.engine.dbos_jobs", "bridge.engine.durable_queues"),
    "sqlalchemy": (
        "bridge.status",
        "bridge.engine",
        "bridge.storage",
        "bridge.serve.release_store",
    ),
    "sqlite3": ("bridge.storage.database",),
    "authlib": ("bridge.web.oidc_provider",),
    "joserfc": ("bridge.web.oidc_provider",),
    "anyio": ("bridge.web.session_guard",),
    "httpx2": (
        "bridge.cli.release_client",
        "bridge.promptlayer.client",
        "bridge.sandbox",
        "bridge.serve.upstream",
        "bridge.web.oidc_provider",
    ),
    "requests": ("bridge.forge", "bridge.notify.send_notification"),
    "urllib3": ("bridge.forge",),
    "starlette": ("bridge.web", "bridge.sandbox", "bridge.serve", "bridge.network.read_body"),
    "uvicorn": ("bridge.cli.serve_command", "bridge.cli.health_monitoring", "bridge.sandbox"),
    "jinja2": ("bridge.web", "bridge.sandbox", "bridge.prompts.input_variables"),
    "markdown_it": ("bridge.sandbox.forge_page_rendering",),
    "markupsafe": ("bridge.web", "bridge.sandbox"),
    "opentelemetry": ("bridge.telemetry.opentelemetry",),
    "prometheus_client": ("bridge.web",),
    "ruamel": ("bridge.prompts.file_format.yaml_updater",),
    "yaml": (
        "bridge.prompts.header",
        "bridge.prompts.secret_scan",
        "bridge.prompts.file_format.source_text",
        "bridge.prompts.yaml_removal",
        "bridge.prompts.file_format.yaml_writer",
    ),
    "typer": ("bridge.cli",),
    "rich": ("bridge.cli", "bridge.sandbox.demo"),
    "pydantic": (
        "bridge.config.bridge_config",
        "bridge.config.dashboard_settings",
        "bridge.config.config_files",
        "bridge.config.mapping_settings",
        "bridge.config.config_text",
        "bridge.config.setting_suggestion",
        "bridge.config.setting_types",
        "bridge.config.unresolved_secret",
        "bridge.config.monitoring_settings",
        "bridge.config.serve_settings",
        "bridge.config.notify_settings",
        "bridge.promptlayer",
        "bridge.prompts.file_format.document",
        "bridge.prompts.pull_request.metadata",
        "bridge.prompts.file_format.schema",
    ),
    "pydantic_core": ("bridge.prompts.file_format.schema",),
    "jwt": ("bridge.forge.github_credentials",),
    "truststore": ("bridge.network.trust",),
    "subprocess": ("bridge.repo", "bridge.forge.local_repository", "bridge.sandbox"),
}


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_foreign_package_stays_where_it_belongs(package: str) -> None:
    assert importers(package) <= below(*HOMES[package])


def test_every_foreign_package_has_a_place() -> None:
    tops = {name.partition(".")[0] for module in modules().values() for name in module.imports}

    foreign = tops - sys.stdlib_module_names - {"bridge"}
    assert foreign <= HOMES.keys()


def test_a_merge_request_is_gitlabs_word() -> None:
    words = re.compile(r"\bmerge[_ -]?requests?\b|\bMRs?\b|\biid\b|mergerequests", re.IGNORECASE)
    allowed = {name for name in modules() if name.startswith("bridge.forge.gitlab")}

    found = {module.name: words.findall(module.text) for module in modules().values()}
    found["bridge.forge.forge"] = found["bridge.forge.forge"][1:]  # where the word is explained
    found["bridge.prompts.pull_request.markdown"] = found["bridge.prompts.pull_request.markdown"][
        1:
    ]  # an address to defuse
    assert {name for name, uses in found.items() if uses} <= allowed


FORGE_NAMES = {
    "bridge.config.bridge_config",
    "bridge.config.config_text",
    "bridge.wiring",
    "bridge.cli.publish_command",  # how their CI names an event
    "bridge.telemetry.logs",  # loggers to keep quiet
    "bridge.prompts.modeline",  # what earlier versions wrote into files
}


def test_no_forge_is_named_outside_its_file() -> None:
    names = re.compile(r"github|gitlab", re.IGNORECASE)
    adapters = {name for name in modules() if re.match(r"bridge\.forge\.git(?:hub|lab)", name)}

    naming = {
        module.name
        for module in modules().values()
        if any(names.search(word) for word in _names_and_texts(module.tree))
    }
    assert naming <= adapters | FORGE_NAMES


def _names_and_texts(tree: ast.Module) -> Iterator[str]:
    """Identifiers and strings, docstrings left out."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if id(node) in docstrings else node.value


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_is_not_so_long_that_it_holds_several_concepts(name: str) -> None:
    assert len(modules()[name].text.splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_function_fits_onto_one_page(name: str) -> None:
    long = {
        function.name: length
        for function in modules()[name].functions
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


PACKAGES = sorted(name for name in modules() if modules()[name].path.name == "__init__.py")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_lives_there_and_where_the_reader_goes_next(name: str) -> None:
    words = ast.get_docstring(modules()[name].tree) or ""

    assert 5 <= len(words.splitlines()) <= 15
    others = set(re.findall(r"bridge(?:\.\w+)+", words)) - {"bridge.yaml"}
    assert others
    assert others <= modules().keys()
