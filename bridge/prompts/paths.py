"""Where a prompt's file goes and how its branch is called. A name is hostile until shown otherwise.

A *plain* name (lower-case ASCII words, folders by ``/``) is its own path. Any other name becomes a
readable slug with the prompt's id: ``Réponse n°1!`` of prompt 17 is ``réponse-n-1.17``. A plain
name never ends in ``.<digits>``, folders never have a dot, and everything is lower case; hence

- two prompts never share a path, on a case-insensitive or decomposing file system either,
- no path is a folder of another one,
- a path depends on its own prompt only, not on which others exist.

Pure.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from bridge.errors import UnsafePathError

DEFAULT_PATH = "prompts/{label}/{prompt}.yaml"
DEFAULT_BRANCH = "promptlayer/{mapping}/{label}/{id}"
DEFAULT_ROLLING_BRANCH = "promptlayer/{mapping}"

TEMPLATE_FIELDS = ("prompt", "label", "mapping", "id")
EXTENSIONS = (".yaml", ".yml", ".json")
MAX_PATH_BYTES = 240  # bytes of a whole path or branch name
_LONGEST_PLAIN = 150
_LONGEST_SLUG = 80  # bytes
_LONGEST_LABEL = 40
_SEPARATORS = "@+=,"  # what no value ever contains

_FIELD = re.compile(r"\{([^{}]*)\}")
_PLAIN_NAME = re.compile(r"(?:[a-z0-9_][a-z0-9_-]*/)*[a-z0-9_][a-z0-9._-]*")
_PLAIN_FOLDERS = re.compile(r"[a-z0-9_][a-z0-9_-]*(?:/[a-z0-9_][a-z0-9_-]*)*")
_PLAIN_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]{0,39}")
_ENDS_LIKE_AN_ID = re.compile(r"\.[0-9]*\Z")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\.|\Z)", re.IGNORECASE)
_GIT_FOLDER = re.compile(r"\.git|git~[0-9]+", re.IGNORECASE)
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"  # controls, reordering, halves
)
_NOT_IN_A_FILE_NAME = re.compile(rf'[{_HIDDEN}\\:*?"<>|]')
_NOT_IN_A_REF = re.compile(rf"[{_HIDDEN} ~^:?*\[\\]|\.\.|@\{{|//|\A[-/]|[/.]\Z")


def build_file_path(template: str, *, prompt: str, label: str, mapping: str, id: int) -> str:
    """The path of a prompt's file, relative to the repository's root, inside
    ``find_static_prefix(template)``. Raises UnsafePathError when the template leads it out of
    bounds."""
    in_file_name = "{prompt}" in template.rpartition("/")[2]
    values = _values(label, mapping, id) | {"prompt": _prompt_path(prompt, id, in_file_name)}
    path = _fill(template, values)
    problem = _path_problem(path)
    if problem:
        raise UnsafePathError(
            f"Prompt {id} would have its file at {path!r}, which {problem}. "
            "Rename the prompt or change the mapping's `path`."
        )
    return path


def build_branch_name(template: str, *, prompt: str, label: str, mapping: str, id: int) -> str:
    """The branch of a proposal, as git accepts it. Folders of the prompt's name are flattened:
    the branches ``a`` and ``a/b`` cannot both exist. For the same reason a mapping that changes
    its group (``promptlayer/support`` instead of ``promptlayer/support/…``) has to close its
    proposals first. Raises UnsafePathError where git would refuse."""
    values = _values(label, mapping, id)
    if "{prompt}" in template:
        flat = _slug(prompt).replace("/", "-") or "prompt"
        values["prompt"] = flat if "{id}" in template else f"{flat}.{id}"
    branch = _fill(template, values)
    problem = _branch_problem(branch)
    if problem:
        raise UnsafePathError(
            f"Prompt {id} would have the branch {branch!r}, which {problem}. "
            "Rename the prompt or change the mapping's `branch`."
        )
    return branch


def render_branch_prefix(template: str, mapping: str, *, rolling: bool) -> str:
    """Render the common prefix of a mapping's branches: a folder with its slash, empty where
    there is none; the one branch itself where it serves all prompts."""
    filled = template.replace("{mapping}", _word(mapping, "mapping"))
    return filled if rolling else find_static_prefix(filled)


def find_static_prefix(template: str) -> str:
    """The folder that holds every file of a template, with its slash: ``prompts/``; empty where
    the template starts at the root."""
    before = template.partition("{")[0]
    return before[: before.rfind("/") + 1]


def fits_template(template: str, path: str) -> bool:
    """Whether a template with a folder of its own may put a prompt's file at ``path``. A
    template at the root matches too many other files."""
    if not find_static_prefix(template):
        return False
    parts = (re.escape(part) for part in re.split(r"\{[^{}]*\}", template))
    return re.fullmatch(".+".join(parts), path) is not None


def may_be_of_label(path: str, label: str) -> bool:
    """Whether a template with ``{label}`` in it may put a label's file at ``path``: it may not where
    the path lacks the label."""
    return _word(label, "label") in path


def find_label_of_path(template: str, path: str, labels: Iterable[str], mapping: str) -> str | None:
    """The one of ``labels`` whose prompts, whatever they are called, may have a file at ``path``;
    None where several may, or none."""
    fitting = [
        label for label in labels if fits_template(_fill_label(template, label, mapping), path)
    ]
    return fitting[0] if len(fitting) == 1 else None


def check_path_template(template: str) -> None:
    """Raise ValueError, worded for ``bridge.yaml``, when a template cannot give every prompt a
    file of its own, inside a folder of its own, with an extension that names the format."""
    fields = _checked_fields(template)
    if not {"prompt", "id"} & set(fields):
        raise ValueError("needs {prompt} or {id}: without one, all prompts would share a file")
    if not template.endswith(EXTENSIONS):
        raise ValueError(f"must end in {', '.join(EXTENSIONS)}")
    problem = _path_problem(_FIELD.sub("x", template))
    if problem:
        raise ValueError(problem)


def check_branch_template(template: str, *, rolling: bool = False) -> None:
    """Raise ValueError, worded for ``bridge.yaml``. A rolling template serves the one pull
    request of a mapping, any other has to contain the prompt."""
    fields = set(_checked_fields(template))
    own = {"prompt", "id"} & fields
    if rolling and fields - {"mapping"}:
        raise ValueError("can only have {mapping}: one branch serves the whole mapping")
    if not rolling and not own:
        raise ValueError("needs {prompt} or {id}: without one, all prompts would share a branch")
    problem = _branch_problem(_FIELD.sub("x", template))
    if problem:
        raise ValueError(problem)


def _fill(template: str, values: dict[str, str]) -> str:
    return _FIELD.sub(lambda match: values[match[1]], template)


def _values(label: str, mapping: str, id: int) -> dict[str, str]:
    return {"label": _word(label, "label"), "mapping": _word(mapping, "mapping"), "id": str(id)}


def _fill_label(template: str, label: str, mapping: str) -> str:
    values = _values(label, mapping, 0)
    return template.replace("{label}", values["label"]).replace("{mapping}", values["mapping"])


def _prompt_path(name: str, id: int, in_file_name: bool) -> str:
    """``in_file_name``: the name's last part is (part of) the file's name, so it may have dots."""
    if _is_plain(name, _PLAIN_NAME if in_file_name else _PLAIN_FOLDERS):
        return name
    return f"{_slug(name) or 'prompt'}.{id}"


def _is_plain(name: str, shape: re.Pattern[str]) -> bool:
    return (
        len(name) <= _LONGEST_PLAIN
        and shape.fullmatch(name) is not None
        and not _ENDS_LIKE_AN_ID.search(name)
        and not any(_DEVICE.match(segment) for segment in name.split("/"))
    )


@lru_cache(maxsize=1024)
def _word(value: str, fallback: str) -> str:
    """Encode a label or a mapping's name as one segment. It has no id, so a short hash keeps two
    apart."""
    if _PLAIN_LABEL.fullmatch(value) and not _DEVICE.match(value):
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = _cut(_slug(value).replace("/", "-"), _LONGEST_LABEL) or fallback
    return f"{slug}.{digest}"


def _slug(name: str) -> str:
    """Words of letters and digits of any script, joined by ``-``, in folders; never a dot."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = "".join(c if _is_kept(c) else "-" for c in folded)
    segments = (re.sub("--+", "-", segment).strip("-") for segment in text.split("/"))
    slug = _cut("/".join(filter(None, segments)), _LONGEST_SLUG)
    return "/".join(f"{s}_" if _DEVICE.match(s) else s for s in slug.split("/"))


def _is_kept(character: str) -> bool:
    return (
        character in "/_" or character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")
    )


def _cut(slug: str, most: int) -> str:
    return slug.encode()[:most].decode(errors="ignore").strip("-/")


def _checked_fields(template: str) -> list[str]:
    fields = _FIELD.findall(template)
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("has a brace without its partner")
    for field in fields:
        if field not in TEMPLATE_FIELDS:
            raise ValueError(f"has no field {{{field}}}; there are {_spelled(TEMPLATE_FIELDS)}")
        if fields.count(field) > 1:
            raise ValueError(f"has {{{field}}} twice")
    for segment in template.split("/"):
        _check_segment(segment)
    return fields


def _spelled(fields: tuple[str, ...]) -> str:
    return ", ".join(f"{{{field}}}" for field in fields)


def _check_segment(segment: str) -> None:
    """Check that two fields in one segment can be parsed again: ``{label}-{prompt}`` would give
    the label ``a`` with ``b-c`` and the label ``a-b`` with ``c`` the same file."""
    fields, between = _FIELD.findall(segment), _FIELD.split(segment)[2:-1:2]
    if all(set(text) & set(_SEPARATORS) for text in between):
        return
    if len(fields) == 2 and "id" in fields and between[0] in ("-", "_", "."):
        return  # the number at one end is found again whatever the other field holds
    raise ValueError(
        f"cannot tell the fields of {segment!r} apart: put a '/' or one of {_SEPARATORS} between"
    )


def _path_problem(path: str) -> str | None:
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    if path.startswith("/"):
        return "is absolute"
    return next(filter(None, map(_segment_problem, path.split("/"))), None)


@lru_cache(maxsize=4096)
def _segment_problem(segment: str) -> str | None:
    if segment in ("", ".", ".."):
        return "has an empty, '.' or '..' folder"
    if _GIT_FOLDER.fullmatch(segment):
        return "is inside git's own folder"
    if segment.startswith("-") or segment.endswith((".", " ")):
        return "has a name that starts with '-' or ends in a dot or a blank"
    if _NOT_IN_A_FILE_NAME.search(segment):
        return "has a character that not every file system can hold"
    if _DEVICE.match(segment):
        return "has a name that Windows reserves for a device"
    return None


def _branch_problem(branch: str) -> str | None:
    if len(branch.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    if not branch or branch in ("@", "HEAD") or _NOT_IN_A_REF.search(branch):
        return "git does not accept as the name of a branch"
    if any(part.startswith(".") or part.endswith(".lock") for part in branch.split("/")):
        return "git does not accept as the name of a branch"
    return "starts with 'refs/'" if branch.startswith("refs/") else None
