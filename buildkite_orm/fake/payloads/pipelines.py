"""Pipelines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import digest, graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.payloads.view import View
    from buildkite_orm.fake.records import Json, PipelineRecord

_WAITING = frozenset({"waiting", "blocked", "limited", "pending"})


def pipeline(view: View, record: PipelineRecord) -> Json:
    """Return the payload of a pipeline; rendered once per response."""
    key = ("pipeline", record.id)
    if key not in view.shared:
        view.shared[key] = _pipeline(view, record)
    return dict(view.shared[key])


def _pipeline(view: View, record: PipelineRecord) -> Json:
    url = view.pipeline(record)
    return {
        "id": record.id,
        "graphql_id": graphql_id("Pipeline", record.id),
        "url": url,
        "web_url": f"{WEB}/{record.organization.slug}/{record.slug}",
        "name": record.name,
        "description": record.description,
        "slug": record.slug,
        "repository": record.repository,
        "cluster_id": record.cluster_id,
        "cluster_url": record.cluster_id and f"{view.organization(record.organization)}/clusters/{record.cluster_id}",
        "pipeline_template_uuid": record.pipeline_template_uuid,
        "branch_configuration": record.branch_configuration,
        **_clone_mirror(record),
        "default_branch": record.default_branch,
        "skip_queued_branch_builds": record.skip_queued_branch_builds,
        "skip_queued_branch_builds_filter": record.skip_queued_branch_builds_filter,
        "cancel_running_branch_builds": record.cancel_running_branch_builds,
        "cancel_running_branch_builds_filter": record.cancel_running_branch_builds_filter,
        "allow_rebuilds": record.allow_rebuilds,
        "provider": _provider(view, record),
        "builds_url": f"{url}/builds",
        "badge_url": f"https://badge.buildkite.com/{digest('badge', record.id)}.svg",
        "created_by": user_or_none(view, record.created_by),
        "created_at": view.old_time(record.created_at),
        "archived_at": view.time(record.archived_at),
        "env": record.env,
        **_counts(record),
        "visibility": record.visibility,
        "tags": record.tags,
        "emoji": record.emoji,
        "color": record.color,
        "default_command_step_timeout": record.default_command_step_timeout,
        "maximum_command_step_timeout": record.maximum_command_step_timeout,
        **({} if record.configuration is None else {"configuration": record.configuration}),
        "steps": record.steps or [visual_step("buildkite-agent pipeline upload")],
    }


def _clone_mirror(record: PipelineRecord) -> Json:
    """Return the clone mirror, unless there is none and the plan does not include it."""
    url = record.clone_mirror_url
    return {} if url is None and "clone_mirrors" in record.organization.missing_features else {"clone_mirror_url": url}


def visual_step(command: str, label: str | None = None) -> Json:
    """Return a visual step."""
    return {
        "type": "script",
        "name": label,
        "command": command,
        "artifact_paths": None,
        "branch_configuration": None,
        "env": {},
        "timeout_in_minutes": None,
        "agent_query_rules": ["queue=default"],
        "concurrency": None,
        "parallelism": None,
    }


# The documented settings of each provider, with their defaults. Documentation: pipelines#provider-settings-properties
_COMMON = {"filter_enabled": False, "filter_condition": ""}
_EVENTS = {**_COMMON, "build_branches": True, "build_pull_requests": True, "build_tags": False}
_ORIGIN = {**_EVENTS, "publish_commit_status": True}
_BITBUCKET = {
    **_ORIGIN,
    "ignore_default_branch_pull_requests": False,
    "publish_commit_status_per_step": False,
    "pull_request_branch_filter_enabled": False,
    "pull_request_branch_filter_configuration": "",
    "skip_pull_request_builds_for_existing_commits": True,
}
_GITHUB_ENTERPRISE = {
    **_BITBUCKET,
    "trigger_mode": "code",
    "build_check_run_completed": False,
    "build_create_event": False,
    "build_deployment_status_created": False,
    "build_issue_comment_created": False,
    "build_merge_group_checks_requested": False,
    "build_pull_request_base_branch_changed": False,
    "build_pull_request_converted_to_draft": False,
    "build_pull_request_dequeued": False,
    "build_pull_request_edited": False,
    "build_pull_request_forks": False,
    "build_pull_request_labels_changed": False,
    "build_pull_request_merge_commits": False,
    "build_pull_request_ready_for_review": False,
    "build_pull_request_reopened": False,
    "build_pull_request_review_comment_created": False,
    "build_pull_request_review_dismissed": False,
    "build_pull_request_review_requested": False,
    "build_pull_request_review_submitted": False,
    "build_pull_request_stacks": False,
    "build_release_created": False,
    "build_release_published": False,
    "build_release_released": False,
    "cancel_deleted_branch_builds": False,
    "cancel_when_merge_group_destroyed": False,
    "issue_comment_command_word": "/bk",
    "issue_comment_match_mode": "exact",
    "prefix_pull_request_fork_branch_names": True,
    "prevent_custom_statuses_from_using_buildkite_prefix": False,
    "publish_blocked_as_pending": False,
    "review_comment_command_word": "/bk",
    "review_comment_match_mode": "exact",
    "separate_pull_request_statuses": False,
    "skip_builds_for_closed_pull_requests": False,
    "skip_builds_for_existing_commits": False,
    "use_merge_group_base_commit_for_git_diff_base": False,
    "use_step_key_as_commit_status": False,
}
_GITHUB = {**_GITHUB_ENTERPRISE, "github_workflow_access_tokens_enabled": False}
_GITLAB = {**_ORIGIN, "build_pull_request_base_branch_changed": False, "build_pull_request_merge": False}
# all settings, with values of their types
SETTINGS: Json = {**_GITHUB, **_GITLAB}
_SETTINGS: dict[str, Json] = {
    "github": _GITHUB,
    "github_enterprise": _GITHUB_ENTERPRISE,
    "bitbucket": _BITBUCKET,
    "bitbucket_server": _EVENTS,
    "gitlab": _GITLAB,
    "origin": _ORIGIN,
}
_HOSTS = {"github.com": "github", "bitbucket.org": "bitbucket", "gitlab.com": "gitlab"}


def provider_of(repository: str) -> str:
    """Return the id of a repository's provider; `private` for unknown hosts."""
    return next((provider for host, provider in _HOSTS.items() if host in repository), "private")


def _provider(view: View, record: PipelineRecord) -> Json:
    defaults = _SETTINGS.get(record.provider_id)
    if defaults is None:
        return {"id": record.provider_id, "settings": record.provider_settings}
    repository = "/".join(re.split("[:/]", record.repository.removesuffix(".git"))[-2:])
    hook = f"https://webhook.buildkite.com/deliver/{digest('hook', record.id)}"
    return {
        "id": record.provider_id,
        "settings": {**defaults, "repository": repository, **record.provider_settings},
        "webhook_url": hook if view.may_edit else "",
    }


def _counts(record: PipelineRecord) -> Json:
    builds = [build.state for build in record.active.values()]
    # lazy jobs are not created for their count
    jobs = [job.state for build in record.active.values() if build.job_source is None for job in build.job_list]
    return {
        "scheduled_builds_count": builds.count("scheduled"),
        "running_builds_count": sum(state in {"running", "failing"} for state in builds),
        "scheduled_jobs_count": jobs.count("scheduled"),
        "running_jobs_count": jobs.count("running"),
        "waiting_jobs_count": sum(state in _WAITING for state in jobs),
    }
