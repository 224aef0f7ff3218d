"""The fake and the clients that the calls of the documented operations use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from buildkite_orm import AccessToken, Buildkite, BuildRef, JobRef, OrganizationRef, PipelineRef
    from buildkite_orm.fake.records import BuildRecord, JobRecord
    from buildkite_orm.models.resource import Resource
    from buildkite_orm.resources.clusters.cluster import ClusterRef
    from buildkite_orm.resources.packages.registry import RegistryRef
    from buildkite_orm.resources.test_engine.suite import SuiteRef

T = TypeVar("T", bound="Resource")


class Stage:
    """A seeded fake, and two clients of it.

    Attributes:
        server: The fake.
        token: A token with only the scopes that the documentation names for the operation.
        bk: The client under test, with that token.
        org: The organization `acme`, by that client.
        admin: The organization `acme`, by a client with all scopes, for what a test needs before the operation.
    """

    def __init__(self, scopes: list[str]) -> None:
        self.server = FakeBuildkite(settings=Settings(organization_limit=None, user_limit=None))
        self.token = self.server.make_token(*scopes)
        self.bk: Buildkite = self.server.client(token=self.token)
        self.org: OrganizationRef = self.bk.organization("acme")
        self._admin: Buildkite = self.server.client()
        self.admin: OrganizationRef = self._admin.organization("acme")

    def close(self) -> None:
        self.bk.close()
        self._admin.close()
        self.server.close()

    def admin_token(self) -> AccessToken:
        """Return the access token object, loaded by the admin."""
        return self._admin.access_token()

    def by_client(self, item: T) -> T:
        """Return an object that the admin loaded as one of the client under test."""
        return self.bk.bind(item)

    # -- records of the fake

    def add_build(self, **fields: Any) -> BuildRecord:
        return self.server.add_build("web", **fields)

    def add_job(self, **fields: Any) -> JobRecord:
        return self.add_build(state="running", jobs=[fields]).jobs[0]

    @cached_property
    def user_id(self) -> str:
        """The id of the member Grace Hopper."""
        return self.server.store.organizations["acme"].users[1].id

    @cached_property
    def default_cluster_id(self) -> str:
        return next(cluster.id for cluster in self.admin.clusters() if cluster.name != "Hosted")

    @cached_property
    def hosted_cluster_id(self) -> str:
        return next(cluster.id for cluster in self.admin.clusters() if cluster.name == "Hosted")

    @cached_property
    def team_id(self) -> str:
        """The id of a team that has members, pipelines and suites."""
        return next(str(team.id) for team in self.admin.teams() if team.slug == "fearless-frontenders")

    # -- refs of the client under test

    @property
    def web(self) -> PipelineRef:
        return self.org.pipeline("web")

    def build(self, **fields: Any) -> BuildRef:
        """Return a ref of a new build."""
        return self.web.build(self.add_build(**fields).number)

    def job(self, **fields: Any) -> JobRef:
        """Return a ref of the job of a new build."""
        return self.org.job(self.add_job(**fields).id)

    @property
    def cluster(self) -> ClusterRef:
        return self.org.cluster(self.default_cluster_id)

    @property
    def hosted_cluster(self) -> ClusterRef:
        return self.org.cluster(self.hosted_cluster_id)

    @property
    def registry(self) -> RegistryRef:
        return self.org.registry("files")

    @property
    def suite(self) -> SuiteRef:
        return self.org.suite("rspec")


Call = Callable[[Stage], object]
"""Sends an operation by the client under test, with all its documented parameters.

It returns what the client returned: a queryset, whose first page is then requested, or a tuple for several requests.
"""
