"""What people write by hand or tools write for them: prompt files, bridge.yaml, results, memories."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random

import yaml

from bridge.config import bridge_config as config
from bridge.errors import ConfigError, PromptFileError, ResultsError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.read_results import ResultsFormat, read_results
from bridge.prompts.canonical_form import canonicalise_metadata, canonicalise_template
from bridge.prompts.file_format.prompt_file import (
    is_same_prompt_file,
    parse_prompt_file,
    render_prompt_file,
)
from bridge.prompts.file_format.source_text import PromptFileFormat as FileFormat
from bridge.prompts.prompt import Json, Prompt, PromptFile
from bridge.prompts.pull_request.markdown import collapse_to_one_line
from bridge.prompts.pull_request.metadata import PullRequestMetadata, parse_metadata
from tests.fuzz.fuzz_target import AnyTarget, Target
from tests.fuzz.mutation import WORDS, as_json, bent, spoiled_bytes, text
from tests.unit.evals.test_read_results import promptfoo_output, promptfoo_result
from tests.unit.prompts import strategies

# Prompt files.


@dataclass(frozen=True)
class Written:
    content: bytes
    format: FileFormat


def prompt_of(random: Random, name: str = "support/reply") -> Prompt:
    """A prompt as PromptLayer might hold it."""
    return Prompt(
        name,
        canonicalise_template(strategies.template(random)),
        canonicalise_metadata(strategies.metadata(random)),
        id=random.choice((None, 17)),
        version=random.choice((None, 3)),
        tags=random.choice(((), ("a", "b"))),
    )


@dataclass(frozen=True)
class _Sample:
    document: Json
    texts: dict[FileFormat, str]


@lru_cache(maxsize=500)
def _sample(number: int) -> _Sample:
    """One of a few hundred good files. Made once: what is fuzzed is the reader."""
    random = Random(number)
    file = PromptFile(prompt_of(random), random.choice(("latest", "prod")))
    whole = render_prompt_file(file, "json")
    return _Sample(json.loads(whole), {"json": whole, "yaml": render_prompt_file(file, "yaml")})


def _prompt_file(format: FileFormat, random: Random) -> Written:
    sample = _sample(random.randrange(500))
    if random.random() < 0.35:
        return Written(_respelled(random, bent(random, sample.document), format), format)
    whole = sample.texts[format]
    if random.random() < 0.3:
        whole = _annotated(random, whole)
    return Written(spoiled_bytes(random, whole.encode()), format)


def _respelled(random: Random, document: Json, format: FileFormat) -> bytes:
    if format == "json" or random.random() < 0.3:
        return as_json(random, document)
    try:
        dumped = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    except (UnicodeEncodeError, yaml.YAMLError):
        return as_json(random, document)
    return dumped.encode("utf-8", "surrogatepass")


def _annotated(random: Random, whole: str) -> str:
    """With an engineer's comments, blank lines and blanks at ends of lines."""
    odd = ("# why", "", "   ", "  # - role: user", "extra: 1", "- x")
    lines = whole.split("\n")
    for _ in range(random.randrange(1, 4)):
        lines.insert(random.randrange(len(lines)), random.choice(odd))
    return "\n".join(lines)


def _read(one: Written) -> PromptFile | None:
    try:
        return parse_prompt_file(one.content, path="p/x.yaml", format=one.format)
    except PromptFileError as mistake:
        assert re.fullmatch(r"p/x\.yaml:[0-9]+: .{1,600}", str(mistake))
        assert collapse_to_one_line(str(mistake)) == str(mistake), "it can be logged and shown"
        return None


def _a_file_is_read_or_its_line_named(one: Written) -> None:
    file = _read(one)
    if file is None:
        return
    try:
        rendered = render_prompt_file(file, one.format)
    except PromptFileError:
        return  # half a character, spelled as an escape
    again = parse_prompt_file(rendered, path="p/x.yaml", format=one.format)
    assert is_same_prompt_file(again, file), "written and read, it means the same"


def _an_edit_of_it_comes_back(one: Written) -> None:
    """Written over what an engineer wrote, a newer version is what the file then means."""
    file = _read(one)
    if file is None:
        return
    existing = one.content.decode("utf-8-sig")
    prompt = file.prompt
    metadata = canonicalise_metadata(
        {**prompt.metadata, "model": {"provider": "p", "name": "m: #1"}}
    )
    newer = replace(file, prompt=replace(prompt, metadata=metadata, id=17, version=4))
    try:
        assert render_prompt_file(file, one.format, existing) == existing, (
            "nothing new, nothing written"
        )
        touched = render_prompt_file(newer, one.format, existing)
    except PromptFileError:
        return  # half a character
    assert is_same_prompt_file(parse_prompt_file(touched, path="", format=one.format), newer)


# bridge.yaml.

ENVIRONMENT = {"KEY": "pl_planted-key-4711", "HOOK": "planted-hook-0815", "EMPTY": ""}
CONFIG: Json = {
    "promptlayer": {"api_key": "${KEY}", "webhook_secret": "${HOOK}", "timeout": "20s"},
    "forges": {
        "github": {"type": "github", "token": "${KEY}"},
        "app": {"type": "github", "app_id": 1, "private_key_file": "key.pem"},
        "gitlab": {"type": "gitlab", "token": "$${KEY}", "url": "https://gitlab.example.com"},
        "local": {"type": "local", "root": "forge"},
    },
    "mappings": [
        {
            "name": "support",
            "prompts": ["support/*", "!support/draft"],
            "repository": "github:acme/support-bot",
            "track": ["latest", "prod"],
            "path": "prompts/{label}/{prompt}.yaml",
            "pull_request": {"group": "prompt", "limit": 5, "labels": ["prompts"]},
            "on_reject": {"label": "rejected"},
            "evals": {"minimum": 0.5, "drop": 0.1},
            "secrets": {"allow": ["/[a-z]+/", "abc"]},
        },
        {
            "name": "sales",
            "tags": ["sales"],
            "repository": "gitlab:acme/x/y",
            "path": "s/{id}.yaml",
        },
    ],
    "roster": [{"promptlayer": "jane@example.com", "name": "Jane"}],
    "identity": {"name": "bot", "signing": {"key": "/etc/key"}},
    "database": "postgresql+psycopg://bridge:${HOOK}@db/bridge",
    "sweep": "1h",
    "workers": 4,
}


def _config(random: Random) -> str:
    document = bent(random, CONFIG, (0, 1, 1, 1, 2, 3))
    content = _respelled(random, document, "yaml")
    if random.random() < 0.2:
        content = spoiled_bytes(random, content)
    return content.decode("utf-8", random.choice(("replace", "surrogateescape", "ignore")))


def _a_config_is_taken_or_its_line_named(written: str) -> None:
    try:
        config.parse_config(written, "bridge.yaml", ENVIRONMENT)
    except ConfigError as mistake:
        for told in str(mistake).split("\n"):
            assert re.fullmatch(r"bridge\.yaml:[0-9]+: .{1,900}", told)
            assert collapse_to_one_line(told) == told
            assert not any(secret in told for secret in ENVIRONMENT.values() if secret)


# Files of results.

PROMPT = PromptReference("support/reply", id=17, version=9)
JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="s" timestamp="2026-01-02T03:04:05">
<testcase classname="a" name="one" time="0.1"><properties><property name="score" value="0.5"/>
<property name="prompt" value="support/reply"/><property name="score:tone" value="1"/></properties>
</testcase><testcase name="two"><failure message="no">why</failure></testcase>
<testcase name="two"><skipped/></testcase></testsuite></testsuites>
"""
CSV = 'name,score,passed,prompt,version,input,score:tone\none,0.5,yes,,,hi,1\ntwo,,no,x,3,"a\nb",\n'
CASES: Json = {
    "prompt": {"name": "support/reply", "version": 9},
    "started": "2026-01-02T03:04:05Z",
    "cases": [
        {"name": "one", "score": 0.5, "input": {"q": 1}, "output": "x", "scores": {"tone": 1}},
        {"name": "one", "passed": False, "reason": "no", "prompt": "support/other"},
    ],
}


@dataclass(frozen=True)
class Results:
    content: bytes
    format: ResultsFormat


def _results(random: Random) -> Results:
    format = random.choice(tuple(ResultsFormat))
    if format in (ResultsFormat.JUNIT, ResultsFormat.CSV):
        sample = JUNIT if format is ResultsFormat.JUNIT else CSV
        return Results(spoiled_bytes(random, sample.encode()), format)
    two = promptfoo_output(promptfoo_result(), promptfoo_result(1), labels=("support/reply", "b"))
    sample = two if format is ResultsFormat.PROMPTFOO else CASES
    return Results(as_json(random, bent(random, sample)), format)


def _results_are_read_or_refused(folder: Path, one: Results) -> None:
    path = folder / f"results.{'xml' if one.format is ResultsFormat.JUNIT else one.format}"
    path.write_bytes(one.content)
    try:
        runs = read_results(path, PROMPT, format=one.format)
    except ResultsError as mistake:
        assert str(mistake).startswith(str(path))
        assert len(str(mistake)) < 500
        assert collapse_to_one_line(str(mistake)) == str(mistake), "it can be logged and shown"
        return
    for run in runs:
        _a_run_is_sound(run)


def _a_run_is_sound(run: EvaluationRun) -> None:
    names = [case.name for case in run.cases]
    assert len(names) == len(set(names)), "cases are compared by name"
    scores = [*(run.scores.values()), *(case.score for case in run.cases if case.score is not None)]
    assert all(0 <= score <= 1 for score in scores)
    for case in run.cases:
        for told in (case.name, case.input, case.output, case.expected, case.reason, case.model):
            (told or "").encode()


def _in_a_folder(check: Callable[[Path, Results], None]) -> Callable[[Results], None]:
    folder = tempfile.TemporaryDirectory(prefix="fuzz-")
    return lambda one: check(Path(folder.name), one)


# What a pull request remembers, after people edited its body.


@dataclass(frozen=True)
class Body:
    metadata: PullRequestMetadata
    text: str


def _edited_body(random: Random) -> Body:
    metadata = PullRequestMetadata(
        text(random).encode("utf-8", "replace").decode(), "r", versions=((1, "prod", 2),)
    )
    line = metadata.render_hidden_line()
    if random.random() < 0.5:
        line = spoiled_bytes(random, line.encode()).decode("utf-8", "replace")
    return Body(metadata, f"{text(random)}\n{line}\n{random.choice(WORDS)}")


def _a_memory_is_recalled_or_lost(one: Body) -> None:
    found = parse_metadata(one.text)
    whole = (
        one.text.count("promptlayer-bridge:") == 1 and one.metadata.render_hidden_line() in one.text
    )
    assert not whole or found == one.metadata


TARGETS: tuple[AnyTarget, ...] = (
    Target("yaml_file", lambda r: _prompt_file("yaml", r), _a_file_is_read_or_its_line_named),
    Target("json_file", lambda r: _prompt_file("json", r), _a_file_is_read_or_its_line_named),
    Target("yaml_update", lambda r: _prompt_file("yaml", r), _an_edit_of_it_comes_back),
    Target("config", _config, _a_config_is_taken_or_its_line_named),
    Target("results", _results, _in_a_folder(_results_are_read_or_refused)),
    Target("memory", _edited_body, _a_memory_is_recalled_or_lost),
)
