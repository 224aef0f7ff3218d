"""Settings of the payloads of a request: the base of URLs, the precision of times, the caller's permissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import times

if TYPE_CHECKING:
    from buildkite_orm.fake.records import BuildRecord, JobRecord, OrganizationRecord, PipelineRecord
    from buildkite_orm.fake.settings import Settings

WEB = "https://buildkite.com"


@dataclass(slots=True)
class View:
    """The context of rendering; `shared` caches payloads that occur more than once in a response."""

    settings: Settings
    base: str
    now: float
    may_edit: bool
    shared: dict[Any, Any]

    def time(self, moment: float | None) -> str | None:
        """Return a time in ISO 8601."""
        return None if moment is None else times.iso(moment, self.settings.time_precision)

    def old_time(self, moment: float | None) -> str | None:
        """Return a time in the old format, which a few fields keep."""
        if moment is None or not self.settings.legacy_times:
            return self.time(moment)
        return times.legacy(moment)

    def organization(self, organization: OrganizationRecord) -> str:
        """Return an organization's API URL."""
        return f"{self.base}/organizations/{organization.slug}"

    def pipeline(self, pipeline: PipelineRecord) -> str:
        """Return a pipeline's API URL."""
        return f"{self.organization(pipeline.organization)}/pipelines/{pipeline.slug}"

    def build(self, build: BuildRecord) -> str:
        """Return a build's API URL, which each of its jobs repeats."""
        url: str | None = self.shared.get(build)
        if url is None:
            url = self.shared[build] = f"{self.pipeline(build.pipeline)}/builds/{build.number}"
        return url

    def job(self, job: JobRecord) -> str:
        """Return a job's API URL."""
        return f"{self.build(job.build)}/jobs/{job.id}"


def web_build(build: BuildRecord) -> str:
    """Return a build's web URL."""
    return f"{WEB}/{build.organization.slug}/{build.pipeline.slug}/builds/{build.number}"
