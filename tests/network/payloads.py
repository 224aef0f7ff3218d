"""Small payloads of the API, as the fake makes them."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any, Final

from buildkite_orm.fake import FakeBuildkite, Settings

API: Final = "https://api.buildkite.com/v2/organizations/acme"


def organization() -> dict[str, Any]:
    return deepcopy(_samples()["organization"])


def pipeline(slug: str = "web", **fields: Any) -> dict[str, Any]:
    return deepcopy(_samples()["pipeline"]) | {"slug": slug, "url": f"{API}/pipelines/{slug}"} | fields


def build(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a build of the pipeline `web`, without jobs."""
    url, key = f"{API}/pipelines/web/builds/{number}", f"0190abcd-0000-4000-8000-{number:012}"
    named: dict[str, Any] = {"id": key, "number": number, "url": url, "jobs": []}
    return deepcopy(_samples()["build"]) | named | fields


def job(key: str, **fields: Any) -> dict[str, Any]:
    """Return a finished script job of the build web #1."""
    return deepcopy(_samples()["job"]) | {"id": key} | fields


def agent(key: str, **fields: Any) -> dict[str, Any]:
    return deepcopy(_samples()["agent"]) | {"id": key, "url": f"{API}/agents/{key}"} | fields


def artifact(key: str, path: str = "file.txt", **fields: Any) -> dict[str, Any]:
    """Return an artifact of the first job of the build web #1."""
    sample = deepcopy(_samples()["artifact"])
    return sample | {"id": key, "path": path, "filename": path.rpartition("/")[2]} | fields


@cache
def _samples() -> dict[str, dict[str, Any]]:
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server, server.client() as bk:
        server.add_pipeline("web")
        record = server.add_build("web", jobs=1)
        server.add_artifact(record.jobs[0], "file.txt", b"content")
        server.add_agent()
        acme = bk.organization("acme")
        fetched = acme.pipeline("web").build(record.number).fetch()
        found = fetched.dump()
        return {
            "organization": acme.fetch().dump(),
            "pipeline": acme.pipeline("web").fetch().dump(),
            "build": {key: value for key, value in found.items() if key != "pipeline"},
            "job": found["jobs"][0],
            "artifact": fetched.artifacts()[0].dump(),
            "agent": acme.agents()[0].dump(),
        }
