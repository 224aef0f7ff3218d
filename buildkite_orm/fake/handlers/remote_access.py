"""Remote access to the hosted macOS agents of running jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake import times
from buildkite_orm.fake.handlers.organization_settings import PIPELINE_SETTINGS
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import require_administrator
from buildkite_orm.fake.http import ApiError, Reply

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import JobRecord, Json

_LIFETIME = 1800.0


def _create(request: ApiRequest, kind: str) -> Reply:
    job = request.job
    require_administrator(request)
    if not PIPELINE_SETTINGS.of(request.organization)["hosted_agents_terminal_access"]:
        raise ApiError(404, f"{kind} access is not available for this organization")
    if not _is_reachable(job):
        raise ApiError(422, "The job is not a running command job on a macOS hosted agent")
    if request.context.settings.hosted_agents_fail:
        raise ApiError(503, f"The {kind} session could not be created")
    expires_at = times.iso(request.context.clock.now() + _LIFETIME, "seconds")
    session: Json = {
        "endpoint": f"wss://{job.id}.remote-access.invalid",
        "access_token": request.context.store.ids.token("bkra"),
        "expires_at": expires_at,
    }
    return Reply(payload=session | _credentials(request)[kind], headers={"Cache-Control": "no-store"})


def _credentials(request: ApiRequest) -> dict[str, Json]:
    """Return the credentials of a session, by its kind."""
    token = request.context.store.ids.token
    return {
        "VNC": {"vnc": {"username": "buildkite", "password": token("vnc")}},
        "SSH": {"transport": "namespace_ingress", "ssh": {"username": "buildkite", "private_key": token("ssh")}},
    }


def _is_reachable(job: JobRecord) -> bool:
    """Return whether a job runs on a hosted macOS agent."""
    shape = job.agent.queue.instance_shape if job.agent is not None else None
    return job.type == "script" and job.state == "running" and (shape or "").startswith("MACOS")


_JOB = ORGANIZATION + "/jobs/{job}"

ROUTES = (
    route("POST", _JOB + "/vnc-session", "write_builds", partial(_create, kind="VNC")),
    route("POST", _JOB + "/ssh-session", "write_builds", partial(_create, kind="SSH")),
)
