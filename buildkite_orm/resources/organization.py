"""Organizations: where everything begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.queryset import QuerySet
from buildkite_orm.resource import Fetchable, Ref, Timestamp
from buildkite_orm.resources.agent import AgentQuerySet, AgentRef
from buildkite_orm.resources.build import BuildQuerySet
from buildkite_orm.resources.job import JobRef
from buildkite_orm.resources.pipeline import PipelineQuerySet, PipelineRef

if TYPE_CHECKING:
    from typing import Unpack

    from buildkite_orm.resources.agent import AgentFilters
    from buildkite_orm.resources.build import BuildFilters
    from buildkite_orm.resources.clusters.cluster import ClusterQuerySet, ClusterRef
    from buildkite_orm.resources.pipeline import PipelineFilters
    from buildkite_orm.resources.test_engine.suite import SuiteFilters, SuiteQuerySet, SuiteRef
    from buildkite_orm.resources.test_engine.test import BuildTestFilters, BuildTestQuerySet


class OrganizationRef(Ref):
    """Where an organization is.

    Example:
        >>> org = bk.organization("acme")
        >>> org
        OrganizationRef(acme)
        >>> [pipeline.slug for pipeline in org.pipelines().limit(3)]
        ['web', 'api', 'mobile']
    """

    _kind = "organization"

    def fetch(self) -> Organization:
        """Ask for the organization.

        Raises:
            NotFoundError: There is none of this slug that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations#get-an-organization
        """
        return self._send(Organization)

    def pipelines(self, **filters: Unpack[PipelineFilters]) -> PipelineQuerySet:
        """List the pipelines.

        Args:
            filters: See `PipelineFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#list-pipelines
        """
        return PipelineQuerySet(self.session, self._child("pipelines"), filters)

    def pipeline(self, slug: str) -> PipelineRef:
        """Give the ref of the pipeline with a slug; no request."""
        return PipelineRef.at(self.session, self._child("pipelines", slug))

    def builds(self, **filters: Unpack[BuildFilters]) -> BuildQuerySet:
        """List the builds of all pipelines, newest first; without their jobs unless `with_jobs=True`.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-builds-for-an-organization
        """
        return BuildQuerySet(self.session, self._child("builds"), filters)

    def job(self, job_id: str) -> JobRef:
        """Give the ref of the job with an id, whatever its build; no request."""
        return JobRef.at(self.session, self._child("jobs", job_id))

    def agents(self, **filters: Unpack[AgentFilters]) -> AgentQuerySet:
        """List the agents that are connected or stopping.

        Args:
            filters: See `AgentFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#list-agents
        """
        return AgentQuerySet(self.session, self._child("agents"), filters)

    def agent(self, agent_id: str) -> AgentRef:
        """Give the ref of the agent with an id; no request."""
        return AgentRef.at(self.session, self._child("agents", agent_id))

    def clusters(self) -> ClusterQuerySet:
        """List the clusters.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-list-clusters
        """
        from buildkite_orm.resources.clusters.cluster import ClusterQuerySet

        return ClusterQuerySet(self.session, self._child("clusters"))

    def cluster(self, cluster_id: str) -> ClusterRef:
        """Give the ref of the cluster with an id; no request."""
        from buildkite_orm.resources.clusters.cluster import ClusterRef

        return ClusterRef.at(self.session, self._child("clusters", cluster_id))

    def suites(self, **filters: Unpack[SuiteFilters]) -> SuiteQuerySet:
        """List the test suites.

        Args:
            filters: See `SuiteFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/suites#list-all-suites
        """
        from buildkite_orm.resources.test_engine.suite import SuiteQuerySet

        return SuiteQuerySet(self.session, f"analytics/{self._child('suites')}", filters)

    def suite(self, slug: str) -> SuiteRef:
        """Give the ref of the test suite with a slug; no request."""
        from buildkite_orm.resources.test_engine.suite import SuiteRef

        return SuiteRef.at(self.session, f"analytics/{self._child('suites', slug)}")

    def build_tests(self, build_id: str, **filters: Unpack[BuildTestFilters]) -> BuildTestQuerySet:
        """List the tests that ran in a build, of all test suites, with their metrics in that build.

        Args:
            build_id: The id of the build (not its number).
            filters: See `BuildTestFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/build-tests#list-tests-for-a-build
        """
        from buildkite_orm.resources.test_engine.test import BuildTestQuerySet

        return BuildTestQuerySet(self.session, f"analytics/{self._child('builds', build_id, 'tests')}", filters)


class Organization(OrganizationRef, Fetchable):
    """An organization.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations
    """

    identity: ClassVar[str | None] = "slug"

    id: str
    graphql_id: str | None = None
    url: str
    web_url: str | None = None
    name: str
    slug: str
    pipelines_url: str | None = None
    agents_url: str | None = None
    emojis_url: str | None = None
    created_at: Timestamp | None = None


class OrganizationQuerySet(QuerySet[Organization]):
    """The organizations that the token reaches."""

    model = Organization
