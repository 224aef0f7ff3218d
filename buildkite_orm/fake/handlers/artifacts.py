"""Artifacts; the files themselves are served by `storage`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.route import BUILD, JOB, route, under
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads.jobs import artifact
from buildkite_orm.fake.storage import signed_url
from buildkite_orm.fake.wildcards import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.http import Call
    from buildkite_orm.fake.records import ArtifactRecord, JobRecord

STATES = frozenset({"new", "error", "finished", "deleted", "expired"})


def list_build_artifacts(call: Call) -> Reply:
    """List the artifacts of all of a build's jobs."""
    return _list(call, call.build.jobs)


def list_job_artifacts(call: Call) -> Reply:
    """List a job's artifacts."""
    return _list(call, [call.job])


def _list(call: Call, jobs: Iterable[JobRecord]) -> Reply:
    states, pattern = set(call.values("state")), call.request.args.get("path")
    if unknown := sorted(states - STATES):
        raise ApiError(422, f"Invalid state: {', '.join(unknown)}")
    match = compiled([pattern or "*"]).fullmatch
    found = [
        each
        for record in jobs
        for each in record.artifacts
        if (each.state in states if states else each.state != "deleted") and match(each.path)
    ]
    return paged(call, found, partial(artifact, call.view))


def _artifact(call: Call) -> ArtifactRecord:
    found = next((each for each in call.job.artifacts if each.id == call.arguments["artifact"]), None)
    if found is None or found.state == "deleted":
        raise ApiError(404, "No artifact found")
    return found


def get_artifact(call: Call) -> Reply:
    """Get one."""
    return Reply(payload=artifact(call.view, _artifact(call)))


def download_artifact(call: Call) -> Reply:
    """Tell where its content is for a while, in the body and as a redirect."""
    record = _artifact(call)
    if record.state in {"error", "expired"}:
        raise ApiError(404, "No artifact found")
    expires = call.world.clock.now() + call.world.settings.artifact_url_lifetime
    url = signed_url(call.artifacts_base, record, expires, call.world.secret)
    return Reply(302, payload={"url": url}, headers={"Location": url})


def delete_artifact(call: Call) -> Reply:
    """Delete one for good."""
    _artifact(call).state = "deleted"
    return Reply(204)


_ONE = under(JOB, "/artifacts/{artifact}")

ROUTES = (
    route("GET", BUILD + "/artifacts", "read_artifacts", list_build_artifacts),
    route("GET", under(JOB, "/artifacts"), "read_artifacts", list_job_artifacts),
    route("GET", _ONE, "read_artifacts", get_artifact),
    route("GET", under(_ONE, "/download"), "read_artifacts", download_artifact),
    route("DELETE", _ONE, "write_artifacts", delete_artifact),
)
