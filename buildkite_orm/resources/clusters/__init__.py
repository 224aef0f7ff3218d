"""Clusters, and what belongs to them: queues, agent tokens, secrets, maintainers, agent images, cache volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.resources.clusters.agent_image import (
        AgentImage,
        AgentImageQuerySet,
        AgentImageRef,
        AgentImageStatus,
    )
    from buildkite_orm.resources.clusters.agent_token import (
        AgentToken,
        AgentTokenChanges,
        AgentTokenOptions,
        AgentTokenQuerySet,
        AgentTokenRef,
    )
    from buildkite_orm.resources.clusters.cache_volume import CacheVolume, CacheVolumeQuerySet, CacheVolumeRef
    from buildkite_orm.resources.clusters.cluster import (
        Cluster,
        ClusterChanges,
        ClusterMaintainers,
        ClusterOptions,
        ClusterQuerySet,
        ClusterRef,
        EmbeddedMaintainer,
    )
    from buildkite_orm.resources.clusters.maintainer import (
        ActorType,
        ClusterMaintainer,
        ClusterMaintainerQuerySet,
        ClusterMaintainerRef,
        ClusterMaintainerTarget,
        MaintainerActor,
    )
    from buildkite_orm.resources.clusters.network_range import NetworkRange, NetworkRangeQuerySet
    from buildkite_orm.resources.clusters.queue import (
        HostedAgents,
        HostedAgentsOptions,
        HostedInstance,
        InstanceShape,
        LinuxSettings,
        PlatformSettings,
        Queue,
        QueueOptions,
        QueueQuerySet,
        QueueRef,
        RetryAgentAffinity,
    )
    from buildkite_orm.resources.clusters.secret import (
        Secret,
        SecretChanges,
        SecretOptions,
        SecretOrganization,
        SecretQuerySet,
        SecretRef,
    )

__all__ = [
    "ActorType",
    "AgentImage",
    "AgentImageQuerySet",
    "AgentImageRef",
    "AgentImageStatus",
    "AgentToken",
    "AgentTokenChanges",
    "AgentTokenOptions",
    "AgentTokenQuerySet",
    "AgentTokenRef",
    "CacheVolume",
    "CacheVolumeQuerySet",
    "CacheVolumeRef",
    "Cluster",
    "ClusterChanges",
    "ClusterMaintainer",
    "ClusterMaintainerQuerySet",
    "ClusterMaintainerRef",
    "ClusterMaintainerTarget",
    "ClusterMaintainers",
    "ClusterOptions",
    "ClusterQuerySet",
    "ClusterRef",
    "EmbeddedMaintainer",
    "HostedAgents",
    "HostedAgentsOptions",
    "HostedInstance",
    "InstanceShape",
    "LinuxSettings",
    "MaintainerActor",
    "NetworkRange",
    "NetworkRangeQuerySet",
    "PlatformSettings",
    "Queue",
    "QueueOptions",
    "QueueQuerySet",
    "QueueRef",
    "RetryAgentAffinity",
    "Secret",
    "SecretChanges",
    "SecretOptions",
    "SecretOrganization",
    "SecretQuerySet",
    "SecretRef",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "agent_image": ("AgentImage", "AgentImageQuerySet", "AgentImageRef", "AgentImageStatus"),
        "agent_token": ("AgentToken", "AgentTokenChanges", "AgentTokenOptions", "AgentTokenQuerySet", "AgentTokenRef"),
        "cache_volume": ("CacheVolume", "CacheVolumeQuerySet", "CacheVolumeRef"),
        "cluster": (
            "Cluster",
            "ClusterChanges",
            "ClusterMaintainers",
            "ClusterOptions",
            "ClusterQuerySet",
            "ClusterRef",
            "EmbeddedMaintainer",
        ),
        "maintainer": (
            "ActorType",
            "ClusterMaintainer",
            "ClusterMaintainerQuerySet",
            "ClusterMaintainerRef",
            "ClusterMaintainerTarget",
            "MaintainerActor",
        ),
        "network_range": ("NetworkRange", "NetworkRangeQuerySet"),
        "queue": (
            "HostedAgents",
            "HostedAgentsOptions",
            "HostedInstance",
            "InstanceShape",
            "LinuxSettings",
            "PlatformSettings",
            "Queue",
            "QueueOptions",
            "QueueQuerySet",
            "QueueRef",
            "RetryAgentAffinity",
        ),
        "secret": ("Secret", "SecretChanges", "SecretOptions", "SecretOrganization", "SecretQuerySet", "SecretRef"),
    },
)
