"""The environment of a job.

Documentation: https://buildkite.com/docs/pipelines/configure/environment-variables
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.payloads.view import web_build
from buildkite_orm.fake.steps import CommandStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkite_orm.fake.records import BuildRecord, JobRecord

_EMPTY = (
    "BUILDKITE_TAG",
    "BUILDKITE_MESSAGE",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
    "BUILDKITE_PULL_REQUEST_REPO",
    "BUILDKITE_REBUILT_FROM_BUILD_ID",
    "BUILDKITE_REBUILT_FROM_BUILD_NUMBER",
    "BUILDKITE_TRIGGERED_FROM_BUILD_ID",
    "BUILDKITE_TRIGGERED_FROM_BUILD_NUMBER",
    "BUILDKITE_TRIGGERED_FROM_BUILD_PIPELINE_SLUG",
)


def environment_of(job: JobRecord) -> dict[str, str]:
    """Return the environment of a job: that of its pipeline, its build and its step, then the standard variables."""
    build = job.build
    given = {name: str(value) for name, value in (build.env or {}).items()}
    return given | job.env | _of_build(build) | _of_job(job)


def variables_of(build: BuildRecord) -> dict[str, str]:
    """Return the variables that are substituted in the pipeline of a build, and that conditions can read."""
    pipeline, pull_request = build.pipeline, build.pull_request or {}
    known: Mapping[str, object] = {
        "BUILDKITE_BRANCH": build.branch,
        "BUILDKITE_TAG": build.tag,
        "BUILDKITE_MESSAGE": build.message,
        "BUILDKITE_COMMIT": build.commit,
        "BUILDKITE_PIPELINE_SLUG": pipeline.slug,
        "BUILDKITE_PIPELINE_NAME": pipeline.name,
        "BUILDKITE_PIPELINE_ID": pipeline.id,
        "BUILDKITE_ORGANIZATION_SLUG": build.organization.slug,
        **_triggered_from(build),
        **_rebuilt_from(build),
        "BUILDKITE_REPO": pipeline.repository,
        "BUILDKITE_PULL_REQUEST": pull_request.get("id") or "false",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH": pull_request.get("base"),
        "BUILDKITE_PULL_REQUEST_REPO": pull_request.get("repository"),
        "BUILDKITE_MERGE_QUEUE_BASE_BRANCH": (build.merge_queue or {}).get("base_branch"),
        "BUILDKITE_MERGE_QUEUE_BASE_COMMIT": (build.merge_queue or {}).get("base_commit"),
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def _triggered_from(build: BuildRecord) -> dict[str, object]:
    if build.triggered_from is None:
        return {}
    origin = build.triggered_from.build
    return {
        "BUILDKITE_TRIGGERED_FROM_BUILD_ID": origin.id,
        "BUILDKITE_TRIGGERED_FROM_BUILD_NUMBER": origin.number,
        "BUILDKITE_TRIGGERED_FROM_BUILD_PIPELINE_SLUG": origin.pipeline.slug,
    }


def _rebuilt_from(build: BuildRecord) -> dict[str, object]:
    if (origin := build.rebuilt_from) is None:
        return {}
    return {"BUILDKITE_REBUILT_FROM_BUILD_ID": origin.id, "BUILDKITE_REBUILT_FROM_BUILD_NUMBER": origin.number}


def _of_build(build: BuildRecord) -> dict[str, str]:
    author, creator = build.author or {}, build.creator
    known = variables_of(build)
    return {
        "CI": "true",
        "BUILDKITE": "true",
        **dict.fromkeys(_EMPTY, ""),
        **known,
        "BUILDKITE_BUILD_ID": build.id,
        "BUILDKITE_BUILD_NUMBER": str(build.number),
        "BUILDKITE_BUILD_URL": web_build(build),
        "BUILDKITE_BUILD_AUTHOR": author.get("name") or "",
        "BUILDKITE_BUILD_AUTHOR_EMAIL": author.get("email") or "",
        "BUILDKITE_BUILD_CREATOR": creator.name if creator else "",
        "BUILDKITE_BUILD_CREATOR_EMAIL": creator.email if creator else "",
        "BUILDKITE_ORGANIZATION_ID": build.organization.id,
        "BUILDKITE_PIPELINE_DEFAULT_BRANCH": build.pipeline.default_branch or "",
        "BUILDKITE_PIPELINE_PROVIDER": build.pipeline.provider_id,
        "BUILDKITE_PULL_REQUEST_LABELS": ",".join((build.pull_request or {}).get("labels") or ()),
        "BUILDKITE_REPO_SSH_HOST": "github.com",
        "BUILDKITE_SOURCE": build.source,
    }


def _of_job(job: JobRecord) -> dict[str, str]:
    step = job.step
    timeout = step.timeout if isinstance(step, CommandStep) else None
    optional = {
        "BUILDKITE_STEP_KEY": job.step_key,
        "BUILDKITE_GROUP_KEY": job.group_key,
        "BUILDKITE_GROUP_LABEL": getattr(step, "group_label", None),
        **_unblocker(job),
    }
    return {
        "BUILDKITE_JOB_ID": job.id,
        "BUILDKITE_COMMAND": job.command or "",
        "BUILDKITE_LABEL": job.name or "",
        "BUILDKITE_STEP_ID": job.step_id,
        "BUILDKITE_RETRY_COUNT": str(job.attempt),
        "BUILDKITE_TIMEOUT": "false" if timeout is None else f"{timeout / 60:g}",
        "BUILDKITE_AGENT_ID": job.agent.id if job.agent else "",
        "BUILDKITE_AGENT_NAME": job.agent.name if job.agent else "",
        "BUILDKITE_AGENT_META_DATA_LOCAL": "true",
        "BUILDKITE_ARTIFACT_PATHS": job.artifact_paths or "",
        **{name: value for name, value in optional.items() if value is not None},
    }


def _unblocker(job: JobRecord) -> dict[str, str]:
    """Return the variables of the user who unblocked the build last."""
    unblocked = [each for each in job.build.job_list if each.unblocked_by is not None]
    last = max(unblocked, key=lambda each: each.unblocked_at or 0.0, default=None)
    if last is None or (user := last.unblocked_by) is None:
        return {}
    return {
        "BUILDKITE_UNBLOCKER": user.name,
        "BUILDKITE_UNBLOCKER_EMAIL": user.email,
        "BUILDKITE_UNBLOCKER_ID": user.id,
    }
