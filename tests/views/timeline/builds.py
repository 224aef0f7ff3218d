"""Builds for timelines: as payloads, of times in seconds after noon."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from buildkite_orm import Build

NOON = datetime.fromisoformat("2026-08-01T12:00:00+00:00")  # where the fake's clock begins

Payload = dict[str, Any]


def at(seconds: float) -> str:
    """Write a time so many seconds after noon."""
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def moments(times: dict[str, float | None]) -> Payload:
    return {name: None if value is None else at(value) for name, value in times.items()}


def job(
    name: str, runnable: float | None = None, started: float | None = None, finished: float | None = None, **more: Any
) -> Payload:
    """Return the payload of a job, passed by default."""
    times = {"runnable_at": runnable, "started_at": started, "finished_at": finished}
    return {"id": name, "type": "script", "name": name, "state": "passed", **moments(times), **more}


def block(name: str, unblocked: float | None = None, **more: Any) -> Payload:
    """Return the payload of a block step, unblocked or not."""
    state = "blocked" if unblocked is None else "unblocked"
    opened = None if unblocked is None else at(unblocked)
    return {"id": name, "type": "manual", "label": name, "state": state, "unblocked_at": opened, **more}


def payload(*jobs: Payload, state: str = "passed", finished: float | None = 100, **more: Any) -> Payload:
    """Return a build, created at noon, with its jobs."""
    return {
        "id": "0190",
        "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1",
        "web_url": "https://buildkite.com/acme/web/builds/1",
        "number": 1,
        "state": state,
        "commit": "HEAD",
        "branch": "main",
        **moments({"created_at": 0, "started_at": 1, "finished_at": finished}),
        "jobs": list(jobs),
        **more,
    }


def build(*jobs: Payload, **more: Any) -> Build:
    """Return an unbound build."""
    return Build.model_validate(payload(*jobs, **more))


def seconds(start: datetime, end: datetime) -> tuple[float, float]:
    """Write from when to when, in seconds after noon."""
    return (start - NOON).total_seconds(), (end - NOON).total_seconds()


def mimebundle(obj: Any) -> dict[str, str]:
    """Return the MIME bundle of an object."""
    bundle: dict[str, str] = obj._repr_mimebundle_(include=None, exclude=None)
    return bundle
