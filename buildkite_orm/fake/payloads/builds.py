"""Builds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.payloads.jobs import job
from buildkite_orm.fake.payloads.pipelines import pipeline
from buildkite_orm.fake.payloads.view import web_build
from buildkite_orm.fake.serialization import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.payloads.view import View
    from buildkite_orm.fake.records import BuildRecord, JobRecord, Json


@dataclass(frozen=True, slots=True)
class BuildFields:
    """The fields that the payload of a build includes."""

    jobs: bool = True
    pipeline: bool = True
    retried_jobs: bool = False
    paused_jobs: bool = True
    job_states: frozenset[str] = frozenset()
    job_state_counts: bool = False
    test_engine: bool = False
    shared_pipeline: bool = False


def displayed_state(view: View, record: BuildRecord) -> str:
    """Return the state in the payload."""
    return "blocked" if record.blocked and view.settings.blocked_state else record.state


def filtered_state(record: JobRecord) -> str:
    """Return the state by which jobs are filtered and counted: a promised failure counts as failed."""
    return "failed" if record.promised_failure else record.state


def build(view: View, record: BuildRecord, fields: BuildFields) -> Json:
    """Return the payload of a build."""
    payload: Json = {
        "id": record.id,
        "graphql_id": graphql_id("Build", record.id),
        "url": view.build(record),
        "web_url": web_build(record),
        "number": record.number,
        "state": displayed_state(view, record),
        "blocked": record.blocked,
        "blocked_state": _blocked_state(record),
        "cancel_reason": record.cancel_reason,
        "message": record.message,
        "commit": record.commit,
        "branch": record.branch,
        "tag": record.tag,
        "env": record.env,
        "source": record.source,
        "author": record.author,
        "creator": user_or_none(view, record.creator),
        "created_at": view.time(record.created_at),
        "scheduled_at": view.time(record.scheduled_at),
        "started_at": view.time(record.started_at),
        "failing_at": view.time(record.failing_at),
        "finished_at": view.time(record.finished_at),
        "meta_data": record.meta_data,
        "pull_request": record.pull_request,
        "merge_queue": record.merge_queue,
        "rebuilt_from": _rebuilt_from(view, record),
        "triggered_from": _triggered_from(record),
    }
    if fields.pipeline:
        payload["pipeline"] = _shared(view, record) if fields.shared_pipeline else pipeline(view, record.pipeline)
    if fields.jobs:
        payload["jobs"] = [job(view, each) for each in embedded_jobs(record, fields)]
    if fields.job_state_counts:
        payload["job_state_counts"] = _job_state_counts(record, fields)
    if fields.test_engine:
        payload["test_engine"] = record.test_engine or {"runs": []}
    return payload


def _shared(view: View, record: BuildRecord) -> Shared:
    """Return the payload of a pipeline, which many builds of a response share."""
    key = (Shared, record.pipeline.id)
    if key not in view.shared:
        view.shared[key] = Shared(pipeline(view, record.pipeline))
    shared: Shared = view.shared[key]
    return shared


def embedded_jobs(record: BuildRecord, fields: BuildFields) -> Iterable[JobRecord]:
    """Yield the jobs that a build's payload embeds."""
    for each in record.jobs:
        if each.retried and not fields.retried_jobs:
            continue
        if fields.job_states and filtered_state(each) not in fields.job_states:
            continue
        if not fields.paused_jobs and each.queue is not None and each.queue.paused:
            continue
        yield each


def _blocked_state(record: BuildRecord) -> str:
    return record.state if record.blocked else ""


def _job_state_counts(record: BuildRecord, fields: BuildFields) -> Json:
    counted = [each for each in record.jobs if fields.retried_jobs or not each.retried]
    return {"total": len(counted), "states": dict(Counter(each.state for each in counted))}


def _rebuilt_from(view: View, record: BuildRecord) -> Json | None:
    origin = record.rebuilt_from
    return None if origin is None else {"id": origin.id, "number": origin.number, "url": view.build(origin)}


def _triggered_from(record: BuildRecord) -> Json | None:
    origin = record.triggered_from
    if origin is None:
        return None
    return {
        "build_id": origin.build.id,
        "build_number": origin.build.number,
        "build_pipeline_slug": origin.build.pipeline.slug,
    }
