"""Builds of a pipeline in YAML, by plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite, JobRecord

ACME = "/organizations/acme"
APP = f"{ACME}/pipelines/app"


class Run:
    """A build of a pipeline in YAML, and the payloads of its jobs."""

    def __init__(self, server: FakeBuildkite, api: Session) -> None:
        self.server = server
        self.api = api

    def start(self, yaml: str, **fields: Any) -> None:
        """Add the pipeline, and create a build."""
        self.server.add_pipeline("app", yaml=yaml)
        self.create(**fields)

    def create(self, **fields: Any) -> Any:
        """Create a build."""
        response = self.api.post(f"{APP}/builds", json={"commit": "HEAD", "branch": "main", **fields})
        assert response.status_code == 201, response.text
        return response.json()

    def finish(self, yaml: str, **fields: Any) -> str:
        """Run a build to its end, and return its state."""
        self.start(yaml, **fields)
        return self.wait()

    def wait(self, seconds: float = 3600) -> str:
        """Advance the clock, and return the state of the build."""
        self.server.run(seconds)
        return str(self.build["state"])

    @property
    def build(self) -> Any:
        return self.build_number(1)

    def build_number(self, number: int) -> Any:
        return self.api.get(f"{APP}/builds/{number}?include_retried_jobs=true").json()

    @property
    def jobs(self) -> list[Any]:
        return list(self.build["jobs"])

    def job(self, label: str) -> Any:
        """Return the payload of the first job with a label."""
        return next(job for job in self.jobs if label in {job.get("name"), job.get("label")})

    def record(self, label: str) -> JobRecord:
        """Return the record of a job."""
        return self.server.store.jobs[self.job(label)["id"]]

    def states(self) -> dict[str, str]:
        """Return the states of the jobs, by name."""
        return {job.get("name") or job.get("label") or job["type"]: job.get("state", "") for job in self.jobs}

    def env(self, job: Any) -> dict[str, str]:
        """Return the environment of a job."""
        return dict(self.api.get(f"{ACME}/jobs/{job['id']}/env").json()["env"])

    def overlaps(self, first: str, second: str) -> bool:
        """Return whether the second job started before the first one finished."""
        by_name = {job["name"]: job for job in self.jobs if job.get("name")}
        return bool(by_name[second]["started_at"] < by_name[first]["finished_at"])
