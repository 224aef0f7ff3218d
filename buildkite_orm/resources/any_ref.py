"""What a URL may lead to, all of it: a module of its own, since to import it loads every kind of thing."""

from __future__ import annotations

from buildkite_orm.resources.agent import AgentRef
from buildkite_orm.resources.builds.artifact import ArtifactRef
from buildkite_orm.resources.builds.build import BuildRef
from buildkite_orm.resources.builds.job import JobRef
from buildkite_orm.resources.clusters.cluster import ClusterRef
from buildkite_orm.resources.clusters.queue import QueueRef
from buildkite_orm.resources.organizations.organization import OrganizationRef
from buildkite_orm.resources.packages.registry import RegistryRef
from buildkite_orm.resources.pipelines.ref import PipelineRef
from buildkite_orm.resources.pipelines.schedule import PipelineScheduleRef
from buildkite_orm.resources.test_engine.suite import SuiteRef

AnyRef = (
    OrganizationRef
    | PipelineRef
    | PipelineScheduleRef
    | BuildRef
    | JobRef
    | ArtifactRef
    | AgentRef
    | ClusterRef
    | QueueRef
    | SuiteRef
    | RegistryRef
)
