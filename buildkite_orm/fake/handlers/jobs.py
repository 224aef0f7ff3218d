"""Jobs, their logs and environments."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake import logs
from buildkite_orm.fake.environments import environment_of
from buildkite_orm.fake.fields import field_values
from buildkite_orm.fake.handlers.route import BUILD, JOB, route, under
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.memberships import teams_of
from buildkite_orm.fake.paging import cursor_paged
from buildkite_orm.fake.payloads.builds import filtered_state
from buildkite_orm.fake.payloads.jobs import job
from buildkite_orm.fake.records import JOB_STATES
from buildkite_orm.fake.steps import CommandStep

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import JobRecord, Json, UserRecord


def list_jobs(request: ApiRequest) -> Reply:
    """List a build's jobs, including retried attempts unless they are excluded."""
    states = set(request.values("state"))
    if unknown := sorted(states - JOB_STATES):
        raise ApiError(400, f"Invalid state: {', '.join(unknown)}")
    keys = {name: request.http.args.get(name) for name in ("step_key", "group_key")}
    with_retried = request.flag("include_retried_jobs", default=True)

    def listed(record: JobRecord) -> bool:
        return (
            (with_retried or not record.retried)
            and (not states or filtered_state(record) in states)
            and all(value is None or getattr(record, name) == value for name, value in keys.items())
        )

    places = {record.id: place for place, record in enumerate(request.build.jobs)}
    found = [record for record in request.build.jobs if listed(record)]
    return cursor_paged(request, found, lambda record: places[record.id], partial(job, request.view))


def get_job(request: ApiRequest) -> Reply:
    """Get a job."""
    return Reply(payload=job(request.view, request.job))


def retry_job(request: ApiRequest) -> Reply:
    """Replace a job with a new attempt, and return that."""
    record = request.job
    permitted = isinstance(record.step, CommandStep) and record.step.permit_retry_on_passed
    retryable = {"failed", "timed_out", "canceled"} | ({"passed"} if permitted else set[str]())
    if record.retried:
        raise ApiError(400, "Jobs can only be retried once")
    if record.build.state in {"canceled", "canceling"}:
        raise ApiError(422, "Jobs from canceled builds cannot be retried")
    if record.type != "script" or record.state not in retryable:
        raise ApiError(400, "Only failed, timed out or canceled jobs can be retried")
    origin = record.build.triggered_from
    if origin and not getattr(origin.step, "async_", False) and origin.build.state in {"canceled", "canceling"}:
        why = "this build was triggered by a synchronous trigger step in a canceled build"
        raise ApiError(422, f"This job can't be retried because {why}")
    if isinstance(record.step, CommandStep) and not record.step.permit_manual_retry:
        raise ApiError(422, record.step.manual_retry_reason or "The step of this job does not permit manual retries")
    again = request.context.lifecycle.retry(record, kind="manual", user=request.token.user)
    return Reply(payload=job(request.view, again))


def reprioritize_job(request: ApiRequest) -> Reply:
    """Change a job's priority."""
    record, priority = request.job, request.body().get("priority")
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise ApiError(400, "Priority must be an integer")
    record.priority = priority
    return Reply(payload=job(request.view, record))


def unblock_job(request: ApiRequest) -> Reply:
    """Unblock a block step."""
    record = request.job
    if request.context.settings.unblock_needs_body and request.http.body.strip() in {b"", b"null"}:
        raise ApiError(500, "Internal Server Error")
    body = {} if request.http.body.strip() == b"null" else request.body()
    if record.type != "manual":
        raise ApiError(400, "This job type cannot be unblocked")
    if record.build.state in {"canceled", "canceling"}:
        raise ApiError(422, "Jobs from canceled builds cannot be unblocked")
    user = _unblocker(request, body)
    if record.state != "blocked":
        raise ApiError(422, "This job cannot be unblocked")
    require_valid(body, {"fields": Check(dict)})
    _check_teams(record, user)
    request.context.lifecycle.unblock(record, user, field_values(record.step, body.get("fields") or {}))
    return Reply(payload=job(request.view, record))


def _check_teams(record: JobRecord, user: UserRecord) -> None:
    """Raise a 403 if a block step is for members of other teams."""
    allowed = set(getattr(record.step, "allowed_teams", ()))
    teams = teams_of(record.build.organization, user.id)
    if allowed and not allowed & {*teams, *teams.values()}:
        raise ApiError(403, f"Only members of the teams {', '.join(sorted(allowed))} can unblock this step")


def _unblocker(request: ApiRequest, body: Json) -> UserRecord:
    user_id = body.get("unblocker")
    if user_id is None:
        return request.token.user
    for user in request.organization.users:
        if user.id == user_id:
            return user
    raise ApiError(422, "Unblocker is not a valid user id for this organization")


# -- logs


def _script(request: ApiRequest) -> JobRecord:
    record = request.job
    if record.type != "script":
        raise ApiError(404, "No job found")
    return record


def _raw_log(request: ApiRequest) -> bytes:
    """Return the log of a job up to now, or what its command has written so far."""
    record = _script(request)
    written = request.context.lifecycle.commands.output_of(record)
    return logs.raw(record, request.context.clock.now()) if written is None else written


def get_log(request: ApiRequest) -> Reply:
    """Get a log in the accepted format, or its last bytes."""
    accepted = request.http.accept_mimetypes.best_match(["application/json", "text/plain", "text/html"])
    if request.http.method == "HEAD":
        return _log_size(request)
    if "Range" in request.http.headers:
        return _log_tail(request, plain=accepted == "text/plain")
    if accepted == "text/plain":
        return get_log_text(request)
    return get_log_html(request) if accepted == "text/html" else _log_json(request)


def _log_json(request: ApiRequest) -> Reply:
    record, raw = _script(request), _raw_log(request)
    return Reply(
        payload={
            "url": f"{request.view.job(record)}/log",
            "content": raw.decode(errors="replace"),
            "size": len(raw),
            "header_times": logs.header_times(raw),
        }
    )


def get_log_text(request: ApiRequest) -> Reply:
    """Get a log as text."""
    raw = _raw_log(request)
    return Reply(body=raw, content_type="text/plain; charset=utf-8")


def get_log_html(request: ApiRequest) -> Reply:
    """Get a log as HTML."""
    raw = _raw_log(request)
    return Reply(body=logs.as_html(raw), content_type="text/html; charset=utf-8")


def _log_size(request: ApiRequest) -> Reply:
    raw = _raw_log(request)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(len(raw))}
    return Reply(body=b"", headers=headers, content_type="text/plain; charset=utf-8", compress=False)


def _log_tail(request: ApiRequest, *, plain: bool) -> Reply:
    raw = _raw_log(request)
    found = re.fullmatch(r"bytes=-(\d{1,18})", request.http.headers["Range"].strip())
    if not plain:
        raise ApiError(400, "Range requests are only supported with Accept: text/plain")
    if found is None or int(found[1]) == 0:
        raise ApiError(400, "Only suffix byte ranges are supported")
    if not raw:
        raise ApiError(416, "Range Not Satisfiable")
    start = max(0, len(raw) - int(found[1]))
    return Reply(
        206,
        body=raw[start:],
        headers={"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{len(raw) - 1}/{len(raw)}"},
        content_type="text/plain; charset=utf-8",
        compress=False,
    )


def delete_log(request: ApiRequest) -> Reply:
    """Delete a log."""
    _script(request).log = b""
    return Reply(204)


# -- environments


def get_env(request: ApiRequest) -> Reply:
    """Get a job's environment in the accepted format."""
    accepted = request.http.accept_mimetypes.best_match(["application/json", "text/plain"])
    return (
        get_env_text(request) if accepted == "text/plain" else Reply(payload={"env": environment_of(_script(request))})
    )


def get_env_text(request: ApiRequest) -> Reply:
    """Get a job's environment as text, one variable per line."""
    lines = [f"{name}={json.dumps(value)}\n" for name, value in environment_of(_script(request)).items()]
    return Reply(body="".join(lines), content_type="text/plain; charset=utf-8")


ROUTES = (
    route("GET", BUILD + "/jobs", "read_builds", list_jobs),
    route("GET", JOB, "read_builds", get_job),
    route("PUT", under(JOB, "/retry"), "write_builds", retry_job),
    route("PUT", under(JOB, "/reprioritize"), "write_builds", reprioritize_job),
    route("PUT", under(JOB, "/unblock"), "write_builds", unblock_job),
    route("GET", under(JOB, "/log"), "read_build_logs", get_log),
    route("GET", under(JOB, "/log.txt"), "read_build_logs", get_log_text),
    route("GET", under(JOB, "/log.html"), "read_build_logs", get_log_html),
    route("DELETE", under(JOB, "/log"), "write_build_logs", delete_log),
    route("GET", under(JOB, "/env"), "read_job_env", get_env),
    route("GET", under(JOB, "/env.txt"), "read_job_env", get_env_text),
)
