"""Jobs of all four types, artifacts and annotations."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from buildkite_orm.fake import markdown
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import embedded_agent, user_or_none
from buildkite_orm.fake.payloads.view import web_build

if TYPE_CHECKING:
    from buildkite_orm.fake.payloads.view import View
    from buildkite_orm.fake.records import AnnotationRecord, ArtifactRecord, JobRecord, Json


def job(view: View, record: JobRecord) -> Json:
    """Return the payload of a job, by its type."""
    if record.type == "waiter":
        return _head(record) | _group(record)
    if record.type == "manual":
        return _manual(view, record)
    if record.type == "trigger":
        return _trigger(view, record)
    return _script(view, record)


def _head(record: JobRecord) -> Json:
    return {"id": record.id, "graphql_id": graphql_id("Job", record.id), "type": record.type}


def _group(record: JobRecord) -> Json:
    return {} if record.group_key is None else {"group_key": record.group_key}


def _web_url(record: JobRecord) -> str:
    return f"{web_build(record.build)}#{record.id}"


def _times(view: View, record: JobRecord) -> Json:
    return {
        "created_at": view.time(record.created_at),
        "scheduled_at": view.time(record.scheduled_at),
        "runnable_at": view.time(record.runnable_at),
        "started_at": view.time(record.started_at),
        "finished_at": view.time(record.finished_at),
    }


def _manual(view: View, record: JobRecord) -> Json:
    return (
        _head(record)
        | {
            "label": record.name,
            "step_key": record.step_key,
            "state": record.state,
            "web_url": None,
            "unblocked_by": user_or_none(view, record.unblocked_by),
            "unblocked_at": view.time(record.unblocked_at),
            "unblockable": record.state == "blocked",
            "unblock_url": f"{view.job(record)}/unblock",
        }
        | _group(record)
    )


def _trigger(view: View, record: JobRecord) -> Json:
    triggered = record.triggered_build
    return (
        _head(record)
        | {
            "name": record.name,
            "step_key": record.step_key,
            "state": record.state,
            "async": bool(getattr(record.step, "async_", False)),
            "build_url": view.build(record.build),
            "web_url": _web_url(record),
        }
        | _times(view, record)
        | {
            "triggered_build": triggered
            and {
                "id": triggered.id,
                "number": triggered.number,
                "url": view.build(triggered),
                "web_url": web_build(triggered),
            }
        }
        | _group(record)
    )


def _script(view: View, record: JobRecord) -> Json:
    url = view.job(record)
    payload: Json = {
        **_head(record),
        "name": record.name,
        "step_key": record.step_key,
        "step": {"id": record.step_id, "signature": record.signature},
        "priority": {"number": record.priority},
        "agent_query_rules": record.agent_query_rules,
        "state": "scheduled" if record.state == "limited" else record.state,  # as documented
        "build_url": view.build(record.build),
        "web_url": _web_url(record),
        "log_url": f"{url}/log",
        "raw_log_url": f"{url}/log.txt",
        "artifacts_url": f"{url}/artifacts",
        "command": record.command,
        "soft_failed": record.soft_failed,
        "exit_status": record.exit_status,
        "signal": record.signal,
        "signal_reason": record.signal_reason,
        "broken_reason": record.broken_reason,
        "artifact_paths": record.artifact_paths,
        "agent": embedded_agent(view, record),
        **_times(view, record),
        "concurrency_wait_time_ms": record.concurrency_wait_time_ms,
        "expired_at": view.time(record.expired_at),
        **_retries(view, record),
        "parallel_group_index": record.parallel_group_index,
        "parallel_group_total": record.parallel_group_total,
        "matrix": record.matrix,
        **_queue(view, record),
        **_group(record),
    }
    if record.promised_exit_status is not None:
        payload["promised_exit_status"] = record.promised_exit_status
        payload["promised_exit_status_at"] = view.time(record.promised_exit_status_at)
    return payload


def _retries(view: View, record: JobRecord) -> Json:
    source = record.retry_source
    return {
        "retried": record.retried,
        "retried_in_job_id": record.retried_in and record.retried_in.id,
        "retries_count": record.attempt or None,
        "retry_source": source and {"job_id": source.id, "retry_type": source.retry_type},
        "retry_type": record.retry_type,
        "retried_by": user_or_none(view, record.retried_by),
    }


def _queue(view: View, record: JobRecord) -> Json:
    queue = record.queue
    cluster = queue and f"{view.organization(record.build.organization)}/clusters/{queue.cluster_id}"
    return {
        "cluster_id": queue and queue.cluster_id,
        "cluster_url": cluster,
        "cluster_queue_id": queue and queue.id,
        "cluster_queue_url": queue and f"{cluster}/queues/{queue.id}",
    }


def job_of_agent(view: View, record: JobRecord) -> Json:
    """Return the payload of a job that an agent embeds."""
    return job(view, record) | {"script_path": record.command, "agent": None}


def artifact(view: View, record: ArtifactRecord) -> Json:
    """Return the payload of an artifact."""
    url = f"{view.job(record.job)}/artifacts/{record.id}"
    return {
        "id": record.id,
        "job_id": record.job.id,
        "url": url,
        "download_url": record.download_url or f"{url}/download",
        "state": record.state,
        "path": record.path,
        "dirname": posixpath.dirname(record.path) or ".",
        "filename": posixpath.basename(record.path),
        "mime_type": record.mime_type,
        "file_size": record.content.size if record.file_size is None else record.file_size,
        "glob_path": None,
        "original_path": None,
        "sha1sum": record.content.sha1sum if record.sha1sum is None else record.sha1sum,
    } | (
        {"sha256sum": record.content.sha256sum if record.sha256sum is None else record.sha256sum}
        if view.settings.sha256sums
        else {}
    )


def annotation(view: View, record: AnnotationRecord, *, with_body: bool = True) -> Json:
    """Return the payload of an annotation."""
    return {
        "id": record.id,
        "context": record.context,
        "style": record.style,
        "scope": "job" if record.job else "build",
        "job_id": record.job and record.job.id,
        "priority": record.priority,
        **({"body_html": markdown.render(record.body)} if with_body else {}),
        "created_at": view.time(record.created_at),
        "updated_at": view.time(record.updated_at),
    }
