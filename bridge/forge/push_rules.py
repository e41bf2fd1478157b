"""Rules that a repository sets for pushes, and which settings of a mapping would break them. Pure.

GitHub calls them metadata restrictions of a ruleset, GitLab push rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class PushRuleSubject(StrEnum):
    """The subject of a rule, as messages name it."""

    COMMIT_MESSAGE = "commit message"
    AUTHOR_EMAIL = "author's e-mail"
    COMMITTER_EMAIL = "committer's e-mail"
    BRANCH_NAME = "branch name"
    AUTHOR_IS_MEMBER = "author"


@dataclass(frozen=True)
class PushRule:
    """One rule. ``pattern`` is a regular expression that is searched for; where ``forbids``, what
    it finds is refused, otherwise what it does not find. AUTHOR_IS_MEMBER has no pattern."""

    subject: PushRuleSubject
    pattern: str = ""
    forbids: bool = False


@dataclass(frozen=True)
class PushSample:
    """A sample of the bridge's pushes for a mapping, with an editor or the bot as the author."""

    commit_message: str
    author_email: str | None  # None: whatever e-mail an editor has in PromptLayer
    committer_email: str
    branch_name: str

    def get_text(self, subject: PushRuleSubject) -> str | None:
        """Get the text that rules of this subject match; None where it is not known beforehand."""
        return {
            PushRuleSubject.COMMIT_MESSAGE: self.commit_message,
            PushRuleSubject.AUTHOR_EMAIL: self.author_email,
            PushRuleSubject.COMMITTER_EMAIL: self.committer_email,
            PushRuleSubject.BRANCH_NAME: self.branch_name,
        }.get(subject)


_REMEDIES = {
    PushRuleSubject.COMMIT_MESSAGE: "set the mapping's `commit: {subject: …}` to a template that"
    " fits",
    PushRuleSubject.AUTHOR_EMAIL: "set `commit: {author: bot}` in the mapping and `identity.email`"
    " to an address that fits, or give the editors such an address in `roster`",
    PushRuleSubject.COMMITTER_EMAIL: "set `identity.email` to an address that fits",
    PushRuleSubject.BRANCH_NAME: "set the mapping's `branch` to a template that fits",
    PushRuleSubject.AUTHOR_IS_MEMBER: "set `commit: {author: bot}` in the mapping, with the"
    " address of the token's user as `identity.email`",
}

# How the forges' refusals of a push name what they are about.
_REFUSALS = (
    (re.compile(r"commit message|commit_message", re.I), PushRuleSubject.COMMIT_MESSAGE),
    (re.compile(r"branch name|branch_name", re.I), PushRuleSubject.BRANCH_NAME),
    (re.compile(r"is not a member|not a member of", re.I), PushRuleSubject.AUTHOR_IS_MEMBER),
    (re.compile(r"committer", re.I), PushRuleSubject.COMMITTER_EMAIL),
    (re.compile(r"author", re.I), PushRuleSubject.AUTHOR_EMAIL),
)


def find_broken_rules(rules: Sequence[PushRule], sample: PushSample) -> Iterator[str]:
    """One sentence for each rule that the sample breaks, with the setting that would help."""
    for rule in rules:
        remedy = _REMEDIES[rule.subject]
        if rule.subject is PushRuleSubject.AUTHOR_IS_MEMBER:
            if sample.author_email is None:
                yield f"the {rule.subject} of a commit has to be a member here: {remedy}"
            continue
        value = sample.get_text(rule.subject)
        if value is None:
            yield f"the {rule.subject} has to fit `{rule.pattern}`, and editors have others: {remedy}"
        elif _breaks(rule, value):
            verb = "must not" if rule.forbids else "has to"
            shown = value.partition("\n")[0]
            yield f"the {rule.subject} {verb} fit `{rule.pattern}`, and {shown!r} would be pushed: {remedy}"


def find_remedy(refusal: str) -> str | None:
    """Find the setting that helps against a refusal with this text; None where none is known."""
    for words, subject in _REFUSALS:
        if words.search(refusal):
            return _REMEDIES[subject]
    return None


def _breaks(rule: PushRule, value: str) -> bool:
    try:
        found = re.search(rule.pattern, value, re.MULTILINE) is not None
    except (
        re.error
    ):  # the forge's dialect has more than Python's: the push shows whether it matches
        return False
    return found is rule.forbids
