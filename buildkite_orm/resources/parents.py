"""Refs with the relations to what is above them; each relation follows from the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.ref import Ref

if TYPE_CHECKING:
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.job import JobRef
    from buildkite_orm.resources.clusters.cluster import ClusterRef
    from buildkite_orm.resources.organizations.organization import OrganizationRef
    from buildkite_orm.resources.packages.registry import RegistryRef
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from buildkite_orm.resources.teams.team import TeamRef
    from buildkite_orm.resources.test_engine.suite import SuiteRef


class InOrganization(Ref):
    """A resource of an organization."""

    @property
    def organization(self) -> OrganizationRef:
        """The organization that it belongs to."""
        from buildkite_orm.resources.organizations.organization import OrganizationRef

        return self._parent(OrganizationRef)


class InPipeline(InOrganization):
    """A resource of a pipeline."""

    @property
    def pipeline(self) -> PipelineRef:
        """The pipeline that it belongs to."""
        from buildkite_orm.resources.pipelines.ref import PipelineRef

        return self._parent(PipelineRef)


class InBuild(InOrganization):
    """A resource of a build."""

    @property
    def build(self) -> BuildRef:
        """The build that it belongs to.

        Raises:
            UnboundError: Only the organization is known; `fetch()` loads the rest.
        """
        from buildkite_orm.resources.builds.build import BuildRef

        return self._parent(BuildRef)


class InJob(InOrganization):
    """A resource of a job."""

    @property
    def job(self) -> JobRef:
        """The job that it belongs to."""
        from buildkite_orm.resources.builds.job import JobRef

        return self._parent(JobRef)


class InCluster(InOrganization):
    """A resource of a cluster."""

    @property
    def cluster(self) -> ClusterRef:
        """The cluster that it belongs to."""
        from buildkite_orm.resources.clusters.cluster import ClusterRef

        return self._parent(ClusterRef)


class InTeam(InOrganization):
    """A resource of a team."""

    @property
    def team(self) -> TeamRef:
        """The team that it belongs to."""
        from buildkite_orm.resources.teams.team import TeamRef

        return self._parent(TeamRef)


class InSuite(InOrganization):
    """A resource of a test suite."""

    @property
    def suite(self) -> SuiteRef:
        """The test suite that it belongs to."""
        from buildkite_orm.resources.test_engine.suite import SuiteRef

        return self._parent(SuiteRef)


class InRegistry(InOrganization):
    """A resource of a package registry."""

    @property
    def registry(self) -> RegistryRef:
        """The registry that it belongs to."""
        from buildkite_orm.resources.packages.registry import RegistryRef

        return self._parent(RegistryRef)
