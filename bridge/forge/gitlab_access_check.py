"""Check whether a credential has the role and scopes that the bridge needs on GitLab. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.forge.push_rules import PushRule, PushRuleSubject

DEVELOPER_ACCESS_LEVEL = 30  # access level
EXPIRY_NOTICE_DAYS = 14  # days

GitLabResponse = Mapping[str, Any]  # a JSON object as GitLab sent it


def check_scopes(scopes: Sequence[str]) -> AccessFinding:
    """Whether a token's scopes suffice."""
    if "api" in scopes:  # it includes pushing over HTTP
        return AccessFinding(AccessFindingSeverity.OK, "The token has the scope api.")
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"The token has the scopes {', '.join(scopes) or 'none'} and lacks api: with it the bridge "
        "opens merge requests and pushes branches (write_repository alone only pushes).",
    )


def check_expiry(expires: date, today: date) -> AccessFinding:
    """Whether a token is valid for a while."""
    days = (expires - today).days
    if days > EXPIRY_NOTICE_DAYS:
        return AccessFinding(AccessFindingSeverity.OK, f"The token is valid until {expires}.")
    return AccessFinding(
        AccessFindingSeverity.PROBLEM, f"The token expires on {expires}, in {days} days: rotate it."
    )


def check_role(repository: str, project: GitLabResponse) -> AccessFinding:
    """Whether the token's user may do in the project what the bridge does."""
    grants = (project.get("permissions") or {}).values()
    level = max((grant["access_level"] for grant in grants if grant), default=0)
    if level >= DEVELOPER_ACCESS_LEVEL:
        return AccessFinding(
            AccessFindingSeverity.OK,
            f"The token's user may push and open merge requests in {repository}.",
        )
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"The token's user has access level {level} in {repository}: it needs the role Developer "
        f"({DEVELOPER_ACCESS_LEVEL}) or higher to push branches and open merge requests.",
    )


# https://docs.gitlab.com/api/project_push_rules/
_PUSH_RULES = (
    ("commit_message_regex", PushRuleSubject.COMMIT_MESSAGE, False),
    ("commit_message_negative_regex", PushRuleSubject.COMMIT_MESSAGE, True),
    ("author_email_regex", PushRuleSubject.AUTHOR_EMAIL, False),
    ("branch_name_regex", PushRuleSubject.BRANCH_NAME, False),
)


def push_rules_of(answer: GitLabResponse) -> Sequence[PushRule]:
    """The rules of a project's push rule object, whose keys may be null or absent."""
    rules = [
        PushRule(subject, pattern, forbids)
        for key, subject, forbids in _PUSH_RULES
        if isinstance(pattern := answer.get(key), str) and pattern
    ]
    if answer.get("member_check"):
        rules.append(PushRule(PushRuleSubject.AUTHOR_IS_MEMBER))
    return rules


def has_merge_requests_enabled(project: GitLabResponse) -> bool:
    """Whether the project has them switched on."""
    level = project.get("merge_requests_access_level", "enabled")
    return bool(project.get("merge_requests_enabled", True)) and level != "disabled"
