"""An endpoint of the control API, and the request that its handler receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from buildkite_orm.fake.control.validation import Body
from buildkite_orm.fake.http import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.records import BuildRecord, JobRecord, OrganizationRecord, PipelineRecord
    from buildkite_orm.fake.server import FakeBuildkite

B = TypeVar("B", bound=Body)

_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class ControlRequest(Generic[B]):
    """A request: the server, the values in the path, and the validated body (or query, of a GET)."""

    server: FakeBuildkite
    arguments: dict[str, str]
    body: B

    @property
    def organization(self) -> OrganizationRecord:
        """The organization that the path names."""
        slug = self.arguments["organization"]
        found = self.server.store.organizations.get(slug)
        if found is None:
            raise ApiError(404, f"No organization {slug!r}")
        return found

    @property
    def pipeline(self) -> PipelineRecord:
        """The pipeline that the path names."""
        organization, slug = self.organization, self.arguments["pipeline"]
        found = organization.pipelines.get(slug)
        if found is None:
            raise ApiError(404, f"No pipeline {slug!r} in {organization.slug!r}")
        return found

    @property
    def build(self) -> BuildRecord:
        """The build that the path names by its number."""
        pipeline, number = self.pipeline, self.arguments["number"]
        valid = number.isdecimal() and len(number) <= _LONGEST_NUMBER
        found = pipeline.by_number.get(int(number)) if valid else None
        if found is None:
            raise ApiError(404, f"No build {number!r} in {pipeline.slug!r}")
        return found

    @property
    def job(self) -> JobRecord:
        """The job that the path names by its id."""
        identity = self.arguments["job"]
        found = self.server.store.jobs.get(identity)
        if found is None:
            raise ApiError(404, f"No job {identity!r}")
        return found


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[B]):
    """One operation. The handler's docstring describes it; `reply` is the shape of what it returns, None for a 204."""

    method: str
    path: str
    body: type[B]
    reply: Any
    handler: Callable[[ControlRequest[B]], Any]
    status: int = 200

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]
