"""Organizations, the top level of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.models.ref import Ref
from buildkite_orm.models.resource import Fetchable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.pipelines.ref import PipelineRef

if TYPE_CHECKING:
    from typing import Unpack

    from buildkite_orm.resources.agent import AgentFilters, AgentQuerySet, AgentRef
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet
    from buildkite_orm.resources.builds.job import JobRef
    from buildkite_orm.resources.clusters.cluster import ClusterQuerySet, ClusterRef
    from buildkite_orm.resources.organizations.api_settings import ApiSettingsRef
    from buildkite_orm.resources.organizations.audit_event import AuditEventQuerySet, AuditEventRef
    from buildkite_orm.resources.organizations.emoji import EmojiQuerySet
    from buildkite_orm.resources.organizations.invitation import InvitationQuerySet, InvitationRef
    from buildkite_orm.resources.organizations.member import OrganizationMemberQuerySet, OrganizationMemberRef
    from buildkite_orm.resources.organizations.notification_service import (
        NotificationServiceQuerySet,
        NotificationServiceRef,
    )
    from buildkite_orm.resources.organizations.pipeline_settings import PipelineSettingsRef
    from buildkite_orm.resources.organizations.rate_limits import RateLimitsRef
    from buildkite_orm.resources.organizations.repository_connection import (
        RepositoryConnectionQuerySet,
        RepositoryConnectionRef,
    )
    from buildkite_orm.resources.packages.registry import RegistryQuerySet, RegistryRef
    from buildkite_orm.resources.pipelines.pipeline import PipelineFilters, PipelineQuerySet
    from buildkite_orm.resources.pipelines.template import PipelineTemplateQuerySet, PipelineTemplateRef
    from buildkite_orm.resources.portal import PortalQuerySet, PortalRef
    from buildkite_orm.resources.rule import RuleQuerySet, RuleRef
    from buildkite_orm.resources.teams.team import TeamFilters, TeamQuerySet, TeamRef
    from buildkite_orm.resources.test_engine.suite import SuiteFilters, SuiteQuerySet, SuiteRef
    from buildkite_orm.resources.test_engine.test import BuildTestFilters, BuildTestQuerySet


class OrganizationRef(Ref):
    """The ref of an organization.

    Example:
        >>> org = bk.organization("acme")
        >>> org
        OrganizationRef(acme)
        >>> [pipeline.slug for pipeline in org.pipelines().limit(3)]
        ['web', 'api', 'mobile']
    """

    _kind = "organization"
    _paths = ("organizations/{slug}",)

    if TYPE_CHECKING:
        slug: str

    def fetch(self) -> Organization:
        """Fetch the organization.

        Raises:
            NotFoundError: Nothing has this slug, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations#get-an-organization
        """
        return self._request(Organization)

    def pipelines(self, **filters: Unpack[PipelineFilters]) -> PipelineQuerySet:
        """List the pipelines.

        Args:
            filters: See `PipelineFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#list-pipelines
        """
        from buildkite_orm.resources.pipelines.pipeline import PipelineQuerySet

        return PipelineQuerySet(self.session, self._child("pipelines"), filters)

    def pipeline(self, slug: str) -> PipelineRef:
        """Return the ref of the pipeline with a slug; no request."""
        return PipelineRef.at(self.session, self._child("pipelines", slug))

    def pipeline_templates(self) -> PipelineTemplateQuerySet:
        """List the pipeline templates; users who are not administrators get those that are available.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-templates#list-pipeline-templates
        """
        from buildkite_orm.resources.pipelines.template import PipelineTemplateQuerySet

        return PipelineTemplateQuerySet(self.session, self._child("pipeline-templates"))

    def pipeline_template(self, uuid: str) -> PipelineTemplateRef:
        """Return the ref of the pipeline template with a UUID; no request."""
        from buildkite_orm.resources.pipelines.template import PipelineTemplateRef

        return PipelineTemplateRef.at(self.session, self._child("pipeline-templates", uuid))

    def builds(self, **filters: Unpack[BuildFilters]) -> BuildQuerySet:
        """List the builds of all pipelines, newest first; without their jobs unless `with_jobs=True`.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-builds-for-an-organization
        """
        from buildkite_orm.resources.builds.build_queryset import BuildQuerySet

        return BuildQuerySet(self.session, self._child("builds"), filters)

    def job(self, job_id: str) -> JobRef:
        """Return the ref of the job with an id, of any build; no request."""
        from buildkite_orm.resources.builds.job import JobRef

        return JobRef.at(self.session, self._child("jobs", job_id))

    def agents(self, **filters: Unpack[AgentFilters]) -> AgentQuerySet:
        """List the agents that are connected or stopping.

        Args:
            filters: See `AgentFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/agents#list-agents
        """
        from buildkite_orm.resources.agent import AgentQuerySet

        return AgentQuerySet(self.session, self._child("agents"), filters)

    def agent(self, agent_id: str) -> AgentRef:
        """Return the ref of the agent with an id; no request."""
        from buildkite_orm.resources.agent import AgentRef

        return AgentRef.at(self.session, self._child("agents", agent_id))

    def clusters(self) -> ClusterQuerySet:
        """List the clusters.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters#clusters-list-clusters
        """
        from buildkite_orm.resources.clusters.cluster import ClusterQuerySet

        return ClusterQuerySet(self.session, self._child("clusters"))

    def cluster(self, cluster_id: str) -> ClusterRef:
        """Return the ref of the cluster with an id; no request."""
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
        """Return the ref of the test suite with a slug; no request."""
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

    def teams(self, **filters: Unpack[TeamFilters]) -> TeamQuerySet:
        """List the teams.

        Args:
            filters: See `TeamFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams#list-teams
        """
        from buildkite_orm.resources.teams.team import TeamQuerySet

        return TeamQuerySet(self.session, self._child("teams"), filters)

    def team(self, team_id: str) -> TeamRef:
        """Return the ref of the team with an id (not its slug); no request."""
        from buildkite_orm.resources.teams.team import TeamRef

        return TeamRef.at(self.session, self._child("teams", team_id))

    def members(self) -> OrganizationMemberQuerySet:
        """List the members.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/members#list-organization-members
        """
        from buildkite_orm.resources.organizations.member import OrganizationMemberQuerySet

        return OrganizationMemberQuerySet(self.session, self._child("members"))

    def member(self, user_id: str) -> OrganizationMemberRef:
        """Return the ref of the member with a user id; no request."""
        from buildkite_orm.resources.organizations.member import OrganizationMemberRef

        return OrganizationMemberRef.at(self.session, self._child("members", user_id))

    def invitations(self) -> InvitationQuerySet:
        """List the invitations that are pending, newest first.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/invitations#list-organization-invitations
        """
        from buildkite_orm.resources.organizations.invitation import InvitationQuerySet

        return InvitationQuerySet(self.session, self._child("invitations"))

    def invitation(self, invitation_id: str) -> InvitationRef:
        """Return the ref of the invitation with an id, in any state; no request."""
        from buildkite_orm.resources.organizations.invitation import InvitationRef

        return InvitationRef.at(self.session, self._child("invitations", invitation_id))

    def registries(self) -> RegistryQuerySet:
        """List the package registries.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/registries#list-all-registries
        """
        from buildkite_orm.resources.packages.registry import RegistryQuerySet

        return RegistryQuerySet(self.session, f"packages/{self._child('registries')}")

    def registry(self, slug: str) -> RegistryRef:
        """Return the ref of the package registry with a slug; no request."""
        from buildkite_orm.resources.packages.registry import RegistryRef

        return RegistryRef.at(self.session, f"packages/{self._child('registries', slug)}")

    def rules(self) -> RuleQuerySet:
        """List the rules.

        Documentation: https://buildkite.com/docs/apis/rest-api/rules#rules-list-rules
        """
        from buildkite_orm.resources.rule import RuleQuerySet

        return RuleQuerySet(self.session, self._child("rules"))

    def rule(self, rule_id: str) -> RuleRef:
        """Return the ref of the rule with an id; no request."""
        from buildkite_orm.resources.rule import RuleRef

        return RuleRef.at(self.session, self._child("rules", rule_id))

    def portals(self) -> PortalQuerySet:
        """List the portals.

        Documentation: https://buildkite.com/docs/apis/rest-api/portals#portals-list-portals
        """
        from buildkite_orm.resources.portal import PortalQuerySet

        return PortalQuerySet(self.session, self._child("portals"))

    def portal(self, slug: str) -> PortalRef:
        """Return the ref of the portal with a slug; no request."""
        from buildkite_orm.resources.portal import PortalRef

        return PortalRef.at(self.session, self._child("portals", slug))

    def audit_events(self) -> AuditEventQuerySet:
        """List the audit events, newest first; for administrators.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/audit-events#list-audit-events
        """
        from buildkite_orm.resources.organizations.audit_event import AuditEventQuerySet

        return AuditEventQuerySet(self.session, self._child("audit_events"))

    def audit_event(self, uuid: str) -> AuditEventRef:
        """Return the ref of the audit event with a UUID; no request."""
        from buildkite_orm.resources.organizations.audit_event import AuditEventRef

        return AuditEventRef.at(self.session, self._child("audit_events", uuid))

    def notification_services(self) -> NotificationServiceQuerySet:
        """List the notification services, oldest first.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#list-notification-services
        """
        from buildkite_orm.resources.organizations.notification_service import NotificationServiceQuerySet

        return NotificationServiceQuerySet(self.session, self._child("services"))

    def notification_service(self, service_id: str) -> NotificationServiceRef:
        """Return the ref of the notification service with an id; no request."""
        from buildkite_orm.resources.organizations.notification_service import NotificationServiceRef

        return NotificationServiceRef.at(self.session, self._child("services", service_id))

    def repository_connections(self) -> RepositoryConnectionQuerySet:
        """List the repository connections; for administrators.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/repository-connections#list-repository-connections
        """
        from buildkite_orm.resources.organizations.repository_connection import RepositoryConnectionQuerySet

        return RepositoryConnectionQuerySet(self.session, self._child("repository_connections"))

    def repository_connection(self, connection_id: str) -> RepositoryConnectionRef:
        """Return the ref of the repository connection with an id; no request."""
        from buildkite_orm.resources.organizations.repository_connection import RepositoryConnectionRef

        return RepositoryConnectionRef.at(self.session, self._child("repository_connections", connection_id))

    def emojis(self) -> EmojiQuerySet:
        """List the emojis: its own, and the common ones.

        Documentation: https://buildkite.com/docs/apis/rest-api/emojis#list-emojis
        """
        from buildkite_orm.resources.organizations.emoji import EmojiQuerySet

        return EmojiQuerySet(self.session, self._child("emojis"))

    def api_settings(self) -> ApiSettingsRef:
        """Return the ref of the API settings; no request."""
        from buildkite_orm.resources.organizations.api_settings import ApiSettingsRef

        return ApiSettingsRef.at(self.session, self._child("api-settings"))

    def pipeline_settings(self) -> PipelineSettingsRef:
        """Return the ref of the pipeline settings; no request."""
        from buildkite_orm.resources.organizations.pipeline_settings import PipelineSettingsRef

        return PipelineSettingsRef.at(self.session, self._child("pipeline-settings"))

    def rate_limits(self) -> RateLimitsRef:
        """Return the ref of the rate limits; no request."""
        from buildkite_orm.resources.organizations.rate_limits import RateLimitsRef

        return RateLimitsRef.at(self.session, self._child("rate_limit"))


class Organization(OrganizationRef, Fetchable):
    """An organization.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("slug", "name")

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

    _model = Organization
