"""Check whether a credential has the permissions that the bridge needs on GitHub, and name
missing ones as GitHub's settings pages do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.forge.github_errors import format_permission
from bridge.forge.push_rules import PushRule, PushRuleSubject

REQUIRED_APP_PERMISSIONS = {"contents": "write", "pull_requests": "write", "metadata": "read"}
STATUS_APP_PERMISSIONS = {"statuses": "write"}
PERMISSION_LEVELS = ("read", "write", "admin")


@dataclass(frozen=True)
class GitHubAccess:
    """The permissions of a credential on a repository, as GitHub reports them."""

    may_push: bool | None  # None: it does not say
    private: bool
    archived: bool
    scopes: object = None  # of a classic token, as its header spells them; None for others
    app_permissions: Mapping[str, str] | None = None  # None where no App asks
    plan: str | None = None  # of the repository's owner; None where it does not say
    web_host: str = ""  # of the repository's page, as the server calls itself


@dataclass(frozen=True)
class AccessQuestion:
    """The optional permissions that the bridge needs, and the host that the settings name."""

    statuses: bool = False
    drafts: bool = False
    host: str = ""


def build_access_findings(
    repository: str, credential: str, access: GitHubAccess, asked: AccessQuestion
) -> Sequence[AccessFinding]:
    """Build one finding for each question; ``repository`` and ``credential`` as the mapping file
    spells them. Commit statuses and drafts are checked only where they are needed."""
    needs = (
        REQUIRED_APP_PERMISSIONS | STATUS_APP_PERMISSIONS
        if asked.statuses
        else REQUIRED_APP_PERMISSIONS
    )
    found = [_archived(repository)] if access.archived else []
    if asked.host and access.web_host and access.web_host != asked.host:
        found.append(_alias(repository, access.web_host, asked.host))
    if asked.drafts and access.private:
        found.append(_drafts(repository, access.plan))
    if access.app_permissions is not None:
        found.append(_app(repository, access.app_permissions, needs))
    else:
        found.append(_push(repository, credential, access))
        found.append(_token(repository, credential, access, needs))
    return found


# https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch
_RULE_TYPES = {
    "commit_message_pattern": PushRuleSubject.COMMIT_MESSAGE,
    "commit_author_email_pattern": PushRuleSubject.AUTHOR_EMAIL,
    "committer_email_pattern": PushRuleSubject.COMMITTER_EMAIL,
    "branch_name_pattern": PushRuleSubject.BRANCH_NAME,
}
_OPERATORS = {"starts_with": "^{}", "ends_with": "{}$", "contains": "{}"}


def push_rules_of(answer: Sequence[object]) -> Sequence[PushRule]:
    """The rules about pushed commits and branches, among a branch's active rules."""
    return [
        PushRule(_RULE_TYPES[kind], _pattern(parameters), bool(parameters.get("negate")))
        for rule in answer
        if isinstance(rule, Mapping)
        and (kind := rule.get("type")) in _RULE_TYPES
        and isinstance(parameters := rule.get("parameters"), Mapping)
        and parameters.get("pattern")
    ]


def _pattern(parameters: Mapping[str, object]) -> str:
    pattern = str(parameters["pattern"])
    form = _OPERATORS.get(str(parameters.get("operator")))
    return form.format(re.escape(pattern)) if form else pattern


def _archived(repository: str) -> AccessFinding:
    return AccessFinding(
        AccessFindingSeverity.PROBLEM, f"{repository} is archived: nothing can be proposed there."
    )


def _alias(repository: str, own: str, named: str) -> AccessFinding:
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"The server of {repository} calls itself {own}, and the forge's url says {named}: its links "
        f"lead elsewhere, and the bridge does not follow them. Write {own} as the url.",
    )


def _drafts(repository: str, plan: str | None) -> AccessFinding:
    """https://docs.github.com/en/get-started/learning-about-github/githubs-plans"""
    so = "where it has none, an ordinary pull request is opened that says so in its first line"
    if plan == "free":
        return AccessFinding(
            AccessFindingSeverity.PROBLEM,
            f"{repository} is private and its owner's plan is free, which has no drafts: {so}. Take "
            "pull_request.draft out of the mapping.",
        )
    plan_name = f"of the plan {plan}" if plan else "whose plan GitHub does not tell"
    return AccessFinding(
        AccessFindingSeverity.OK, f"{repository} is a private repository {plan_name}; {so}."
    )


def _push(repository: str, credential: str, access: GitHubAccess) -> AccessFinding:
    if access.may_push is None:
        return AccessFinding(
            AccessFindingSeverity.OK,
            f"GitHub does not tell what {credential} may do in {repository}.",
        )
    if access.may_push:
        return AccessFinding(
            AccessFindingSeverity.OK, f"{credential} may read {repository} and push to it."
        )
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"{credential} may read {repository} and not push to it: give its owner the role Write, "
        "and a fine-grained token “Contents: write”.",
    )


def _token(
    repository: str, credential: str, access: GitHubAccess, needs: Mapping[str, str]
) -> AccessFinding:
    if access.scopes is None:
        permissions = _listed(
            format_permission(name, level) for name, level in needs.items() if level == "write"
        )
        return AccessFinding(
            AccessFindingSeverity.OK,
            f"GitHub does not list what a fine-grained token may do: make sure that {credential} "
            f"has {permissions} for {repository}.",
        )
    granted = {scope.strip() for scope in str(access.scopes).split(",")}
    if granted & ({"repo"} if access.private else {"repo", "public_repo"}):
        return AccessFinding(AccessFindingSeverity.OK, f"{credential} has the scope repo.")
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"{credential} lacks the scope repo: make a new token that has it.",
    )


def _app(repository: str, granted: Mapping[str, str], needs: Mapping[str, str]) -> AccessFinding:
    missing = [
        format_permission(name, level)
        for name, level in needs.items()
        if granted.get(name) not in PERMISSION_LEVELS[PERMISSION_LEVELS.index(level) :]
    ]
    if not missing:
        return AccessFinding(
            AccessFindingSeverity.OK, f"The App may do all that is needed in {repository}."
        )
    return AccessFinding(
        AccessFindingSeverity.PROBLEM,
        f"The App's installation on {repository} lacks {_listed(missing)}: add it in the "
        "App's settings, then accept it where the App is installed.",
    )


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
