"""Push rules: which of a forge's rules a mapping's commits would break, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bridge.forge import github_access_check, gitlab_access_check
from bridge.forge.push_rules import (
    PushRule,
    PushRuleSubject,
    PushSample,
    find_broken_rules,
    find_remedy,
)

SAMPLE = PushSample("feat: update\n\nPromptLayer-Prompt: 1\n", None, "bot@example.com", "bot/1")
BOT = replace(SAMPLE, author_email="bot@example.com")
MESSAGE = PushRuleSubject.COMMIT_MESSAGE


@pytest.mark.parametrize(
    ("rule", "sample", "words"),
    [
        (PushRule(MESSAGE, "^feat: "), SAMPLE, None),
        (PushRule(MESSAGE, "^[A-Z]+-[0-9]+ "), SAMPLE, "`commit: {subject: …}`"),
        (PushRule(MESSAGE, "PromptLayer", forbids=True), SAMPLE, "must not fit"),
        (PushRule(MESSAGE, "(?<weird"), SAMPLE, None),
        (PushRule(PushRuleSubject.AUTHOR_EMAIL, "@example.com$"), SAMPLE, "editors have others"),
        (PushRule(PushRuleSubject.AUTHOR_EMAIL, "@example.com$"), BOT, None),
        (PushRule(PushRuleSubject.AUTHOR_IS_MEMBER), SAMPLE, "`commit: {author: bot}`"),
        (PushRule(PushRuleSubject.AUTHOR_IS_MEMBER), BOT, None),
        (PushRule(PushRuleSubject.COMMITTER_EMAIL, "@acme.com$"), SAMPLE, "`identity.email`"),
        (PushRule(PushRuleSubject.BRANCH_NAME, "^feature/"), SAMPLE, "mapping's `branch`"),
    ],
)
def test_a_rule_that_would_be_broken_is_told_with_its_setting(
    rule: PushRule, sample: PushSample, words: str | None
) -> None:
    found = list(find_broken_rules([rule], sample))

    assert (words is None and not found) or (words is not None and words in found[0])


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("GitLab: Commit message does not follow the pattern '^x'", "commit: {subject"),
        ("GH013: Commit message must match a given regex pattern", "commit: {subject"),
        ("GitLab: Author 'x@y' is not a member of team", "commit: {author: bot}"),
        ("Author's email 'x@y' does not follow the pattern", "roster"),
        ("Branch name does not follow the pattern", "`branch`"),
    ],
)
def test_the_words_of_a_refusal_name_the_setting_that_helps(refusal: str, words: str) -> None:
    assert words in (find_remedy(refusal) or "")


def test_another_refusal_names_none() -> None:
    assert find_remedy("GH006: Protected branch update failed") is None


def test_gitlabs_push_rule_is_read_with_nulls_and_missing_keys() -> None:
    answer = {"commit_message_regex": "^x", "branch_name_regex": None, "member_check": True}

    assert gitlab_access_check.push_rules_of(answer) == [
        PushRule(MESSAGE, "^x"),
        PushRule(PushRuleSubject.AUTHOR_IS_MEMBER),
    ]


@pytest.mark.parametrize(
    ("parameters", "pattern"),
    [
        ({"operator": "starts_with", "pattern": "a.b"}, r"^a\.b"),
        ({"operator": "ends_with", "pattern": "a"}, "a$"),
        ({"operator": "contains", "pattern": "a"}, "a"),
        ({"operator": "regex", "pattern": "a.b"}, "a.b"),
    ],
)
def test_githubs_rules_become_expressions(parameters: Mapping[str, Any], pattern: str) -> None:
    rules = github_access_check.push_rules_of(
        [
            {"type": "deletion"},
            {"type": "commit_message_pattern", "parameters": {**parameters, "negate": True}},
            {"type": "commit_message_pattern", "parameters": None},
        ]
    )

    assert rules == [PushRule(MESSAGE, pattern, forbids=True)]
