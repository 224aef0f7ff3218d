"""Artifacts; the files themselves are served by `storage`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake.arguments import ARTIFACT_STATES
from buildkite_orm.fake.handlers.route import BUILD, JOB, route, under
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads.jobs import artifact
from buildkite_orm.fake.storage import signed_url
from buildkite_orm.fake.wildcards import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import ArtifactRecord, JobRecord


def list_build_artifacts(request: ApiRequest) -> Reply:
    """List the artifacts of a build."""
    return _list(request, request.build.jobs)


def list_job_artifacts(request: ApiRequest) -> Reply:
    """List a job's artifacts."""
    return _list(request, [request.job])


def _list(request: ApiRequest, jobs: Iterable[JobRecord]) -> Reply:
    states, pattern = set(request.values("state")), request.http.args.get("path")
    if unknown := sorted(states - ARTIFACT_STATES):
        raise ApiError(422, f"Invalid state: {', '.join(unknown)}")
    match = compiled([pattern or "*"]).fullmatch
    found = [
        each
        for record in jobs
        for each in record.artifacts
        if (each.state in states if states else each.state != "deleted") and match(each.path)
    ]
    return paged(request, found, partial(artifact, request.view))


def _artifact(request: ApiRequest) -> ArtifactRecord:
    found = next((each for each in request.job.artifacts if each.id == request.arguments["artifact"]), None)
    if found is None or found.state == "deleted":
        raise ApiError(404, "No artifact found")
    return found


def get_artifact(request: ApiRequest) -> Reply:
    """Get an artifact."""
    return Reply(payload=artifact(request.view, _artifact(request)))


def download_artifact(request: ApiRequest) -> Reply:
    """Return a temporary URL of the content, in the body and as a redirect."""
    record = _artifact(request)
    if record.state in {"error", "expired"}:
        raise ApiError(404, "No artifact found")
    expires = request.context.clock.now() + request.context.settings.artifact_url_lifetime
    url = signed_url(request.artifacts_base, record, expires, request.context.secret)
    return Reply(302, payload={"url": url}, headers={"Location": url})


def delete_artifact(request: ApiRequest) -> Reply:
    """Delete an artifact."""
    _artifact(request).state = "deleted"
    return Reply(204)


_ITEM = under(JOB, "/artifacts/{artifact}")

ROUTES = (
    route("GET", BUILD + "/artifacts", "read_artifacts", list_build_artifacts),
    route("GET", under(JOB, "/artifacts"), "read_artifacts", list_job_artifacts),
    route("GET", _ITEM, "read_artifacts", get_artifact),
    route("GET", under(_ITEM, "/download"), "read_artifacts", download_artifact),
    route("DELETE", _ITEM, "write_artifacts", delete_artifact),
)
