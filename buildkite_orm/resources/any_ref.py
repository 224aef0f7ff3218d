"""The refs that URLs lead to. Importing `AnyRef` loads all their modules; `ref_at` loads the one that it needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Union, cast

from buildkite_orm.models.paths import collection_of

if TYPE_CHECKING:
    from buildkite_orm.http.session import Session
    from buildkite_orm.models.ref import Ref
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

# The module and the name of each ref, by the collection that is the last but one segment of its path.
CLASSES: Final = {
    "agents": ("agent", "AgentRef"),
    "artifacts": ("builds.artifact", "ArtifactRef"),
    "builds": ("builds.build", "BuildRef"),
    "clusters": ("clusters.cluster", "ClusterRef"),
    "jobs": ("builds.job", "JobRef"),
    "organizations": ("organizations.organization", "OrganizationRef"),
    "pipelines": ("pipelines.ref", "PipelineRef"),
    "queues": ("clusters.queue", "QueueRef"),
    "registries": ("packages.registry", "RegistryRef"),
    "schedules": ("pipelines.schedule", "PipelineScheduleRef"),
    "suites": ("test_engine.suite", "SuiteRef"),
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
        kind = _load(collection) if collection in CLASSES else None
        if kind is not None and kind.routes.matches(found):
            return kind.at(session, found)
    return None


def _load(collection: str) -> type[Ref]:
    module, name = CLASSES[collection]
    return cast("type[Ref]", getattr(import_module(f"buildkite_orm.resources.{module}"), name))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name != "AnyRef":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return Union[tuple(map(_load, CLASSES))]  # noqa: UP007 - of classes that are loaded here
