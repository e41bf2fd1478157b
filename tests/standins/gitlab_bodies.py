"""The JSON that GitLab's API version 4 answers with, field by field.

A field the bridge has no interest in has the value of an ordinary, fresh project."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.standins.gitlab_project import (
    AccessToken,
    MergeRequest,
    Note,
    Project,
    Push,
    User,
    default_branch,
)

Body = dict[str, Any]

BEGINNING = "2024-05-01T09:00:00.000Z"


def user(who: User, base: str) -> Body:
    return {
        "id": who.id,
        "username": who.username,
        "name": who.username.title(),
        "state": "active",
        "avatar_url": f"{base}/avatar.png",
        "web_url": f"{base}/{who.username}",
    }


def own_user(who: User, base: str) -> Body:
    empty = ("bio", "bio_html", "job_title", "linkedin", "location", "organization",
             "public_email", "skype", "twitter", "website_url")  # fmt: skip
    unset = ("pronouns", "extra_shared_runners_minutes_limit", "shared_runners_minutes_limit")
    return {
        **user(who, base),
        **dict.fromkeys(empty, ""),
        **dict.fromkeys(unset),
        **dict.fromkeys(("can_create_group", "can_create_project"), True),
        **dict.fromkeys(("bot", "external", "private_profile", "two_factor_enabled"), False),
        **dict.fromkeys(
            ("confirmed_at", "created_at", "current_sign_in_at", "last_sign_in_at"), BEGINNING
        ),
        **dict.fromkeys(("followers", "following"), 0),
        "color_scheme_id": 1,
        "commit_email": f"{who.username}@example.com",
        "email": f"{who.username}@example.com",
        "identities": [],
        "last_activity_on": BEGINNING[:10],
        "projects_limit": 100_000,
        "theme_id": 1,
        "work_information": None,
    }


def access_token(token: AccessToken) -> Body:
    return {
        "id": token.user.id,
        "name": "bridge",
        "description": None,
        "revoked": False,
        "active": True,
        "created_at": BEGINNING,
        "last_used_at": BEGINNING,
        "scopes": sorted(token.scopes),
        "user_id": token.user.id,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }


def project(of: Project, access_level: int, base: str) -> Body:
    return {
        **_project_settings(),
        "id": of.id,
        "name": of.name,
        "name_with_namespace": of.path.replace("/", " / "),
        "path": of.name,
        "path_with_namespace": of.path,
        "namespace": _namespace(of.path.rpartition("/")[0], base),
        "archived": of.archived,
        "default_branch": default_branch(of),
        "empty_repo": default_branch(of) is None,
        "http_url_to_repo": f"{base}/{of.path}.git",
        "ssh_url_to_repo": f"git@example.com:{of.path}.git",
        "web_url": f"{base}/{of.path}",
        "readme_url": f"{base}/{of.path}/-/blob/main/README.md",
        "merge_requests_access_level": "enabled" if of.merge_requests_enabled else "disabled",
        "merge_requests_enabled": of.merge_requests_enabled,
        "can_create_merge_request_in": of.merge_requests_enabled and access_level > 0,
        "permissions": {
            "project_access": None,
            "group_access": {"access_level": access_level, "notification_level": 3}
            if access_level
            else None,
        },
        "_links": _links(f"{base}/api/v4/projects/{of.id}"),
    }


def merge_request(of: MergeRequest, project: Project, base: str) -> Body:
    """One of a list; ``whole_merge_request`` has what only a single one tells."""
    short = f"!{of.iid}"
    assignees = [user(who, base) for who in of.assignees]
    return {
        **_merge_request_settings(),
        "id": of.id,
        "iid": of.iid,
        "project_id": project.id,
        "source_project_id": of.source_project_id,
        "target_project_id": project.id,
        "source_branch": of.source_branch,
        "target_branch": of.target_branch,
        "sha": of.sha,
        "merge_commit_sha": of.merge_commit_sha,
        "squash_commit_sha": of.squash_commit_sha,
        "squash": of.squash_commit_sha is not None,
        "title": of.title,
        "description": of.description,
        "state": of.state,
        "draft": of.draft,
        "work_in_progress": of.draft,
        "labels": of.labels,
        "author": None if project.nulls else user(of.author, base),
        "assignee": assignees[0] if assignees else None,
        "assignees": None if project.nulls and not assignees else assignees,
        "reviewers": [user(who, base) for who in of.reviewers],
        "created_at": _time(of.created_at),
        "updated_at": _time(of.updated_at),
        "closed_at": _time(of.closed_at),
        "closed_by": user(of.closed_by, base) if of.closed_by else None,
        "merged_at": _time(of.merged_at),
        "merged_by": user(of.merged_by, base) if of.merged_by else None,
        "user_notes_count": len(of.notes),
        "reference": short,
        "references": {"short": short, "relative": short, "full": project.path + short},
        "web_url": f"{base}/{project.path}/-/merge_requests/{of.iid}",
    }


def whole_merge_request(of: MergeRequest, project: Project, base: str) -> Body:
    unset = ("first_deployed_to_production_at", "head_pipeline", "latest_build_finished_at",
             "latest_build_started_at", "merge_error", "pipeline")  # fmt: skip
    return {
        **merge_request(of, project, base),
        **dict.fromkeys(unset),
        "changes_count": "1",
        "diff_refs": {
            "base_sha": of.target_sha,
            "start_sha": of.target_sha,
            "head_sha": of.sha,
        },
        "subscribed": True,
        "user": {"can_merge": True},
    }


def note(of: Note, on: MergeRequest, project: Project, base: str) -> Body:
    return {
        "id": of.id,
        "type": None,
        "body": of.body,
        "author": user(of.author, base),
        "created_at": _time(of.created_at),
        "updated_at": _time(of.updated_at),
        "system": of.system,
        "noteable_id": on.id,
        "noteable_iid": on.iid,
        "noteable_type": "MergeRequest",
        "project_id": project.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "commands_changes": {},
    }


def push_event(of: Push, project: Project, base: str) -> Body:
    names = {"created": "pushed new", "pushed": "pushed to", "removed": "deleted"}
    return {
        "id": project.pushes.index(of) + 1,
        "project_id": project.id,
        "action_name": names[of.action],
        "target_id": None,
        "target_iid": None,
        "target_type": None,
        "author_id": project.person.id,
        "target_title": None,
        "created_at": _time(of.created_at),
        "author": user(project.person, base),
        "author_username": project.person.username,
        "push_data": {
            "commit_count": 0 if of.after is None else 1,
            "action": of.action,
            "ref_type": "branch",
            "commit_from": of.before,
            "commit_to": of.after,
            "ref": of.ref,
            "commit_title": None,
            "ref_count": None,
        },
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _namespace(path: str, base: str) -> Body:
    return {
        "id": 7,
        "name": path,
        "path": path.rpartition("/")[2],
        "kind": "group",
        "full_path": path,
        "parent_id": None,
        "avatar_url": None,
        "web_url": f"{base}/groups/{path}",
    }


def _links(here: str) -> Body:
    parts = ("events", "issues", "labels", "members", "merge_requests")
    return {
        "self": here,
        "repo_branches": f"{here}/repository/branches",
        **{part: f"{here}/{part}" for part in parts},
    }


def _merge_request_settings() -> Body:
    unset = ("approvals_before_merge", "discussion_locked", "force_remove_source_branch",
             "milestone", "should_remove_source_branch")  # fmt: skip
    return {
        **dict.fromkeys(unset),
        **dict.fromkeys(("downvotes", "upvotes"), 0),
        "blocking_discussions_resolved": True,
        "has_conflicts": False,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "merge_when_pipeline_succeeds": False,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "time_stats": {
            "time_estimate": 0,
            "total_time_spent": 0,
            "human_time_estimate": None,
            "human_total_time_spent": None,
        },
    }


def _project_settings() -> Body:
    unset = ("allow_merge_on_skipped_pipeline", "avatar_url", "build_coverage_regex",
             "ci_config_path", "emails_disabled", "import_error", "marked_for_deletion_at",
             "marked_for_deletion_on", "remove_source_branch_after_merge",
             "suggestion_commit_message",
             "ci_forward_deployment_enabled", "issues_template", "merge_requests_template")  # fmt: skip
    on = ("autoclose_referenced_issues", "container_registry_enabled", "issues_enabled",
          "jobs_enabled", "lfs_enabled", "packages_enabled", "printing_merge_request_link_enabled",
          "public_jobs", "service_desk_enabled", "shared_runners_enabled", "snippets_enabled",
          "wiki_enabled", "keep_latest_artifact",
          "requirements_enabled")  # fmt: skip
    off = ("auto_devops_enabled", "mirror", "only_allow_merge_if_all_discussions_are_resolved",
           "only_allow_merge_if_pipeline_succeeds", "request_access_enabled",
           "resolve_outdated_diff_discussions",
           "ci_job_token_scope_enabled", "merge_pipelines_enabled", "merge_trains_enabled",
           "restrict_user_defined_variables", "security_and_compliance_enabled")  # fmt: skip
    enabled = ("auto_cancel_pending_pipelines", "builds_access_level", "forking_access_level",
               "issues_access_level", "pages_access_level", "repository_access_level",
               "snippets_access_level", "wiki_access_level",
               "analytics_access_level", "container_registry_access_level",
               "operations_access_level")  # fmt: skip
    counts = ("approvals_before_merge", "forks_count", "open_issues_count", "star_count")
    return {
        **dict.fromkeys(unset),
        **dict.fromkeys(on, True),
        **dict.fromkeys(off, False),
        **dict.fromkeys(enabled, "enabled"),
        **dict.fromkeys(counts, 0),
        **{
            name: []
            for name in ("compliance_frameworks", "shared_with_groups", "tag_list", "topics")
        },
        "auto_devops_deploy_strategy": "continuous",
        "build_git_strategy": "fetch",
        "build_timeout": 3600,
        "ci_default_git_depth": 50,
        "container_registry_image_prefix": "",
        "created_at": BEGINNING,
        "creator_id": 1,
        "description": "",
        "external_authorization_classification_label": "",
        "import_status": "none",
        "last_activity_at": BEGINNING,
        "merge_method": "merge",
        "squash_option": "default_off",
        "runners_token": "",
        "service_desk_address": "desk@example.com",
        "visibility": "private",
    }
