"""The refs that URLs lead to. Importing `AnyRef` loads all their modules; `ref_at` loads the one that it needs."""

from __future__ import annotations

from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Final, Union, cast

from buildkite_orm.models.paths import collection_of

if TYPE_CHECKING:
    from buildkite_orm.http.session import Session
    from buildkite_orm.models.ref import Ref
    from buildkite_orm.resources.agent import AgentRef
    from buildkite_orm.resources.builds.annotation import AnnotationRef
    from buildkite_orm.resources.builds.artifact import ArtifactRef
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.job import JobRef
    from buildkite_orm.resources.builds.step_upload import StepUploadRef
    from buildkite_orm.resources.clusters.agent_image import AgentImageRef
    from buildkite_orm.resources.clusters.agent_token import AgentTokenRef
    from buildkite_orm.resources.clusters.cache_volume import CacheVolumeRef
    from buildkite_orm.resources.clusters.cluster import ClusterRef
    from buildkite_orm.resources.clusters.maintainer import ClusterMaintainerRef
    from buildkite_orm.resources.clusters.queue import QueueRef
    from buildkite_orm.resources.clusters.secret import SecretRef
    from buildkite_orm.resources.organizations.audit_event import AuditEventRef
    from buildkite_orm.resources.organizations.invitation import InvitationRef
    from buildkite_orm.resources.organizations.member import OrganizationMemberRef
    from buildkite_orm.resources.organizations.notification_service import NotificationServiceRef
    from buildkite_orm.resources.organizations.organization import OrganizationRef
    from buildkite_orm.resources.organizations.repository_connection import RepositoryConnectionRef
    from buildkite_orm.resources.packages.package import PackageRef
    from buildkite_orm.resources.packages.registry import RegistryRef
    from buildkite_orm.resources.packages.token import RegistryTokenRef
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from buildkite_orm.resources.pipelines.schedule import PipelineScheduleRef
    from buildkite_orm.resources.pipelines.template import PipelineTemplateRef
    from buildkite_orm.resources.portal import PortalRef
    from buildkite_orm.resources.rule import RuleRef
    from buildkite_orm.resources.teams.member import TeamMemberRef
    from buildkite_orm.resources.teams.pipeline import TeamPipelineRef
    from buildkite_orm.resources.teams.suite import TeamSuiteRef
    from buildkite_orm.resources.teams.team import TeamRef
    from buildkite_orm.resources.test_engine.run import SuiteRunRef
    from buildkite_orm.resources.test_engine.suite import SuiteRef
    from buildkite_orm.resources.test_engine.test import SuiteTestRef

    AnyRef = (
        AgentRef
        | AnnotationRef
        | ArtifactRef
        | BuildRef
        | JobRef
        | StepUploadRef
        | AgentImageRef
        | AgentTokenRef
        | CacheVolumeRef
        | ClusterRef
        | ClusterMaintainerRef
        | QueueRef
        | SecretRef
        | AuditEventRef
        | InvitationRef
        | OrganizationMemberRef
        | NotificationServiceRef
        | OrganizationRef
        | RepositoryConnectionRef
        | PackageRef
        | RegistryRef
        | RegistryTokenRef
        | PipelineRef
        | PipelineScheduleRef
        | PipelineTemplateRef
        | PortalRef
        | RuleRef
        | TeamMemberRef
        | TeamPipelineRef
        | TeamSuiteRef
        | TeamRef
        | SuiteRunRef
        | SuiteRef
        | SuiteTestRef
    )

# The modules and the names of the refs, by the collection that is the last but one segment of their paths.
CLASSES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "agent-images": (("clusters.agent_image", "AgentImageRef"),),
    "agents": (("agent", "AgentRef"),),
    "annotations": (("builds.annotation", "AnnotationRef"),),
    "artifacts": (("builds.artifact", "ArtifactRef"),),
    "audit_events": (("organizations.audit_event", "AuditEventRef"),),
    "builds": (("builds.build", "BuildRef"),),
    "cache_volumes": (("clusters.cache_volume", "CacheVolumeRef"),),
    "clusters": (("clusters.cluster", "ClusterRef"),),
    "invitations": (("organizations.invitation", "InvitationRef"),),
    "jobs": (("builds.job", "JobRef"),),
    "maintainers": (("clusters.maintainer", "ClusterMaintainerRef"),),
    "members": (
        ("organizations.member", "OrganizationMemberRef"),
        ("teams.member", "TeamMemberRef"),
    ),
    "organizations": (("organizations.organization", "OrganizationRef"),),
    "packages": (("packages.package", "PackageRef"),),
    "pipeline-templates": (("pipelines.template", "PipelineTemplateRef"),),
    "pipelines": (
        ("pipelines.ref", "PipelineRef"),
        ("teams.pipeline", "TeamPipelineRef"),
    ),
    "portals": (("portal", "PortalRef"),),
    "queues": (("clusters.queue", "QueueRef"),),
    "registries": (("packages.registry", "RegistryRef"),),
    "repository_connections": (("organizations.repository_connection", "RepositoryConnectionRef"),),
    "rules": (("rule", "RuleRef"),),
    "runs": (("test_engine.run", "SuiteRunRef"),),
    "schedules": (("pipelines.schedule", "PipelineScheduleRef"),),
    "secrets": (("clusters.secret", "SecretRef"),),
    "services": (("organizations.notification_service", "NotificationServiceRef"),),
    "step-uploads": (("builds.step_upload", "StepUploadRef"),),
    "suites": (
        ("teams.suite", "TeamSuiteRef"),
        ("test_engine.suite", "SuiteRef"),
    ),
    "teams": (("teams.team", "TeamRef"),),
    "tests": (("test_engine.test", "SuiteTestRef"),),
    "tokens": (
        ("clusters.agent_token", "AgentTokenRef"),
        ("packages.token", "RegistryTokenRef"),
    ),
}


def ref_at(session: Session, path: str, expected: type[Ref] | None = None) -> Ref | None:
    """Return the ref of a path, or of what a path is one segment below: a listing or an action; else None.

    Args:
        session: The session of the ref.
        path: The path.
        expected: The class of a ref that is returned if the path is one of its kind.
    """
    for found in (path, collection_of(path)):
        if expected is not None and expected.routes.matches(found):
            return expected.at(session, found)
    for found in (path, collection_of(path)):
        collection = collection_of(found).rpartition("/")[2]
        for kind in map(_load, CLASSES.get(collection, ())):
            if kind.routes.matches(found):
                return kind.at(session, found)
    return None


def _load(home: tuple[str, str]) -> type[Ref]:
    module, name = home
    return cast("type[Ref]", getattr(import_module(f"buildkite_orm.resources.{module}"), name))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name != "AnyRef":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        kinds = tuple(map(_load, chain.from_iterable(CLASSES.values())))
        return Union[kinds]  # noqa: UP007 - of classes that are loaded here
