"""How payloads are told to one caller: where URLs begin, how precise times are, what the caller may see."""

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
    """What rendering needs to know; `shared` keeps what one answer tells more than once."""

    settings: Settings
    base: str
    now: float
    may_edit: bool
    shared: dict[Any, Any]

    def time(self, moment: float | None) -> str | None:
        """Tell a time."""
        return None if moment is None else times.iso(moment, self.settings.time_precision)

    def old_time(self, moment: float | None) -> str | None:
        """Tell a time in the form that a few fields keep."""
        if moment is None or not self.settings.legacy_times:
            return self.time(moment)
        return times.legacy(moment)

    def organization(self, organization: OrganizationRecord) -> str:
        """Give an organization's API URL."""
        return f"{self.base}/organizations/{organization.slug}"

    def pipeline(self, pipeline: PipelineRecord) -> str:
        """Give a pipeline's API URL."""
        return f"{self.organization(pipeline.organization)}/pipelines/{pipeline.slug}"

    def build(self, build: BuildRecord) -> str:
        """Give a build's API URL."""
        return f"{self.pipeline(build.pipeline)}/builds/{build.number}"

    def job(self, job: JobRecord) -> str:
        """Give a job's API URL."""
        return f"{self.build(job.build)}/jobs/{job.id}"


def web_build(build: BuildRecord) -> str:
    """Give a build's page."""
    return f"{WEB}/{build.organization.slug}/{build.pipeline.slug}/builds/{build.number}"
