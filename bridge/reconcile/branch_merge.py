"""Merge new edits into a branch with commits of people. Their changes stay, merged by meaning
with PromptLayer's text; only a part that both sides changed is a conflict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.errors import BridgeError
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.planning.three_way_merge import merge_prompts
from bridge.prompts.prompt import Prompt, PromptFile
from bridge.prompts.target import Target
from bridge.reconcile.branch_files import BranchFiles, WrittenFile
from bridge.reconcile.read_sources import PlatformReader, read_files


class BranchConflictError(BridgeError):
    """People and PromptLayer changed the same part of a file."""

    def __init__(
        self, edited: Iterable[str], removed: Iterable[str], absent: Iterable[str]
    ) -> None:
        self.edited = tuple(edited)  # changed by both
        self.removed = tuple(removed)  # gone from PromptLayer, changed on the branch
        self.absent = tuple(absent)  # removed on the branch, changed in PromptLayer
        paths = ", ".join((*self.edited, *self.removed, *self.absent))
        super().__init__(f"{paths} changed on the branch and in PromptLayer")


@dataclass
class BranchMerge:
    """Collects the changes that bring edits to a branch, and the resulting file of each target."""

    files: BranchFiles
    platform: PlatformReader
    changes: dict[str, bytes | None] = field(default_factory=dict)
    left: dict[Target, tuple[str, bytes]] = field(default_factory=dict)
    """Target → the path and text of its file, once the changes are made."""
    _edited: list[str] = field(default_factory=list)
    _removed: list[str] = field(default_factory=list)
    _absent: list[str] = field(default_factory=list)

    def merge(self, edits: Mapping[Target, FileEdit], idle: Collection[Target]) -> None:
        """Bring these edits to the branch; ``idle`` are targets of which nothing is proposed any
        more. Raises BranchConflictError."""
        undone = {t for t in idle if t in self.files.written and t not in edits}
        homes = {t: self.files.get_written_path(t, edits.get(t)) for t in (*edits, *undone)}
        found = self.files.find(homes)
        base = self.files.base_files.find(dict.fromkeys(undone, "")) if undone else {}
        for target, edit in edits.items():
            there = found.get(target)
            if edit.text is None:
                self._remove(target, edit.text_before, there)
            elif there is None:
                self._put(target, edit)
            else:
                self._update(target, edit, there)
        for target in undone:
            self._undo(target, base.get(target), found.get(target))
        if self._edited or self._removed or self._absent:
            raise BranchConflictError(self._edited, self._removed, self._absent)

    def keep_branch_as_is(self, edits: Mapping[Target, FileEdit]) -> None:
        """Leave the branch as it is, and record its files as the result."""
        found = self.files.find(
            {t: self.files.get_written_path(t, edit) for t, edit in edits.items()}
        )
        self.left = {target: (there.path, there.text) for target, there in found.items()}
        self.changes = {}

    def _leave(self, target: Target, there: BaseBranchFile | None, path: str, text: bytes) -> None:
        """Make a target's file be at ``path`` and say ``text``."""
        if there is not None and there.path != path:
            if path in self.files.here.entries:  # somebody's own file is where it would go
                path = there.path
            else:
                self.changes[there.path] = None
        if there is None or (there.path, there.text) != (path, text):
            self.changes[path] = text
        self.left[target] = path, text

    def _put(self, target: Target, edit: FileEdit) -> None:
        """Bring a file that the branch does not have; one that people removed from under a newer
        version is asked about."""
        assert edit.text is not None
        if (edit.change.old_path or edit.change.path) in self.files.onto:
            self._absent.append(edit.change.path)
        elif edit.change.path in self.files.here.entries:
            self._edited.append(edit.change.path)
        else:
            self._leave(target, None, edit.change.path, edit.text)

    def _remove(self, target: Target, was: bytes | None, there: BaseBranchFile | None) -> None:
        if there is None:
            return
        written = self.files.written.get(target)
        if there.text == was or self._is_as_written(target, written, there):
            self.changes[there.path] = None
        else:
            self._removed.append(there.path)

    def _undo(
        self, target: Target, base: BaseBranchFile | None, there: BaseBranchFile | None
    ) -> None:
        """Take back what the bridge wrote; what people wrote stays."""
        if base is None:
            return self._remove(target, None, there)
        written = self.files.written[target]
        if there is None:
            if written.removed and base.path not in self.files.here.entries:
                self._leave(target, None, base.path, base.text)
            return None
        path = _destination(written, there, base.path)
        if self._is_as_written(target, written, there):
            return self._leave(target, there, path, base.text)
        then = self._ancestor(target, written, there, None)
        if then and there.prompt and base.prompt:
            self._merge_prompts(target, then, base.prompt, there, path)
        return None

    def _is_as_written(
        self, target: Target, written: WrittenFile | None, there: BaseBranchFile
    ) -> bool:
        """Whether the file is as the bridge wrote it: byte for byte where the bridge's file is
        known, else by meaning."""
        if written is None:
            return False
        if written.exact:
            return written.file is not None and written.file.text == there.text
        then = self._ancestor(target, written, there, None)
        return then is not None and there.prompt is not None and _same(then, there.prompt)

    def _update(self, target: Target, edit: FileEdit, there: BaseBranchFile) -> None:
        change, written = edit.change, self.files.written.get(target)
        assert change.after is not None
        assert edit.text is not None
        path = _destination(written, there, change.path, change.old_path)
        ours = written.file.text if written and written.exact and written.file else edit.text
        if there.text in (ours, edit.text):
            return self._leave(target, there, path, edit.text)
        if there.prompt is None:
            return self._merge_texts(target, written, edit, there, path)
        then = self._ancestor(target, written, there, edit.text_before)
        if then is None and not _same(change.after, there.prompt):
            self._edited.append(there.path)
            return None
        return self._merge_prompts(target, then or there.prompt, change.after, there, path)

    def _merge_prompts(
        self, target: Target, then: Prompt, now: Prompt, there: BaseBranchFile, path: str
    ) -> None:
        """Three prompts made one, in the file as people have it."""
        assert there.prompt is not None
        merged = merge_prompts(then, now, there.prompt, self._merge_lines)
        if merged.conflicts:
            self._edited.append(there.path)
            return
        theirs = there.prompt
        prompt = replace(
            merged.prompt,
            name=theirs.name if then.name == now.name else now.name,
            tags=theirs.tags if then.tags == now.tags else now.tags,
        )
        existing = there.text.decode("utf-8", "replace")
        same_format = existing if format_of(path) == format_of(there.path) else None
        text = render_prompt_file(
            PromptFile(prompt, target.label), format_of(path), same_format
        ).encode()
        self._leave(target, there, path, text)

    def _merge_texts(
        self,
        target: Target,
        written: WrittenFile | None,
        edit: FileEdit,
        there: BaseBranchFile,
        path: str,
    ) -> None:
        """A file that cannot be read as a prompt any more is merged line by line."""
        assert edit.text is not None
        before = written.file.text if written and written.file else edit.text_before
        text = self.files.here.snapshot.merge_file(before or b"", edit.text, there.text)
        if before == edit.text:
            text = there.text
        if text is None:
            self._edited.append(there.path)
        else:
            self._leave(target, there, path, text)

    def _merge_lines(self, before: str, platform: str, repository: str) -> str | None:
        """One text of a prompt, line by line."""
        sides = (f"{side}\n".encode() for side in (before, platform, repository))
        merged = self.files.here.snapshot.merge_file(*sides)
        return None if merged is None else merged.decode().removesuffix("\n")

    def _ancestor(
        self,
        target: Target,
        written: WrittenFile | None,
        there: BaseBranchFile,
        was: bytes | None,
    ) -> Prompt | None:
        """Find the prompt as PromptLayer had it when the bridge wrote the file last; where the
        bridge did not write it, the prompt of the branch's base."""
        if written is None:
            if was is None:
                return None
            return self._on_base(there)
        if written.exact:
            return written.file.prompt if written.file else self._on_base(there)
        if written.version is None:
            return self._on_base(there)
        then = self.platform.read_version(target.prompt_id, written.version)
        named = written.file.prompt if written.file else None
        if then is not None and named is not None:  # these have no versions
            then = replace(then, name=named.name, tags=named.tags)
        return then

    def _on_base(self, there: BaseBranchFile) -> Prompt | None:
        """Read the prompt at a file's path in the commit that the branch stands on."""
        path = there.path
        if path not in self.files.onto:
            return None
        return read_files(self.files.here.snapshot, self.files.onto, [path])[path].prompt


def _same(one: Prompt, other: Prompt) -> bool:
    return (one.digest, one.name) == (other.digest, other.name)


def _destination(
    written: WrittenFile | None, there: BaseBranchFile, wanted: str, old_path: str | None = None
) -> str:
    """Choose the path of a file: a rename moves it, unless people moved it on the branch."""
    homes = {written.path} if written and written.path else {old_path, wanted}
    return wanted if there.path in homes else there.path
