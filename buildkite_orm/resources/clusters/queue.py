"""The queues of clusters: groups of agents, self-hosted or hosted by Buildkite, that jobs name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NotRequired, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InCluster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
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
]


class RetryAgentAffinity(OpenEnum):
    """The preferred agents for a retried job: those that ran a job most recently, or other ones than before."""

    PREFER_WARMEST = "prefer-warmest"
    PREFER_DIFFERENT = "prefer-different"


class InstanceShape(OpenEnum):
    """The machines that hosted agents run on: platform, architecture, and CPUs by GB of memory."""

    LINUX_AMD64_2X4 = "LINUX_AMD64_2X4"
    LINUX_AMD64_4X16 = "LINUX_AMD64_4X16"
    LINUX_AMD64_8X32 = "LINUX_AMD64_8X32"
    LINUX_AMD64_16X64 = "LINUX_AMD64_16X64"
    LINUX_AMD64_32X128 = "LINUX_AMD64_32X128"
    LINUX_AMD64_64X256 = "LINUX_AMD64_64X256"
    LINUX_ARM64_2X4 = "LINUX_ARM64_2X4"
    LINUX_ARM64_4X16 = "LINUX_ARM64_4X16"
    LINUX_ARM64_8X32 = "LINUX_ARM64_8X32"
    LINUX_ARM64_16X64 = "LINUX_ARM64_16X64"
    LINUX_ARM64_32X128 = "LINUX_ARM64_32X128"
    LINUX_ARM64_64X256 = "LINUX_ARM64_64X256"
    MACOS_ARM64_M4_6X28 = "MACOS_ARM64_M4_6X28"
    MACOS_ARM64_M4_12X56 = "MACOS_ARM64_M4_12X56"


class HostedAgentsOptions(TypedDict):
    """Options of a queue with agents that Buildkite hosts.

    Attributes:
        instanceShape: The machine of each agent; required also to change only the image. Of an existing queue,
            only its size can be another one.
        agentImageRef: The image that the agents run, for Linux and in updates only: the `image_ref` of an agent
            image, or the URL of another one; `None` for the default image.
    """

    instanceShape: InstanceShape | str
    agentImageRef: NotRequired[str | None]


class QueueOptions(TypedDict, total=False):
    """Optional fields of a queue, for creation and update; `None` clears a field that may be empty.

    Attributes:
        retry_agent_affinity: Which agents are preferred when a job is retried.
        hostedAgents: How its agents are hosted; makes a new queue a hosted one, and changes one that is hosted.
    """

    description: str | None
    retry_agent_affinity: RetryAgentAffinity | Literal["prefer-warmest", "prefer-different"]
    hostedAgents: HostedAgentsOptions


class QueueRef(InCluster, Deletable):
    """The ref of a queue."""

    _kind = "queue"
    _paths = ("organizations/{organization}/clusters/{cluster}/queues/{id}",)
    _update_method = "PUT"
    delete_documentation = "clusters/queues#delete-a-queue"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Queue:
        """Fetch the queue.

        Raises:
            NotFoundError: The cluster has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#get-a-queue
        """
        return self._request(Queue)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[QueueOptions]) -> Queue:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `QueueOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#update-a-queue
        """
        return self._update(Queue, changes, QueueOptions, extra)

    def pause(self, *, note: str | None = None) -> Queue:
        """Pause dispatching: its agents get no more jobs, and running jobs continue.

        Args:
            note: Why, for others to read.

        Raises:
            UnprocessableEntityError: It is paused already.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#pause-a-queue
        """
        # the page documents one name, its example and other clients send the other; the server ignores unknown fields
        body = {} if note is None else {"note": note, "dispatch_paused_note": note}
        return self._request(Queue, "POST", "pause_dispatch", body=body, idempotent=False)

    def resume(self) -> Queue:
        """Resume dispatching: its agents get jobs again.

        Raises:
            UnprocessableEntityError: It is not paused.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#resume-a-paused-queue
        """
        return self._request(Queue, "POST", "resume_dispatch", body={}, idempotent=False)


class HostedInstance(Model):
    """The machine of a hosted agent.

    Attributes:
        machine_type: `linux` or `macos`.
        cpu: How many CPUs it has.
        memory: Its memory in GB.
    """

    machine_type: str | None = None
    architecture: str | None = None
    cpu: int | None = None
    memory: int | None = None
    name: InstanceShape


class LinuxSettings(Model):
    """Settings of hosted agents on Linux.

    Attributes:
        agent_image_ref: The image that they run; None for the default one.
    """

    agent_image_ref: str | None = None


class PlatformSettings(Model):
    """Settings of hosted agents by platform."""

    linux: LinuxSettings | None = None


class HostedAgents(Model):
    """The hosted agents of a queue."""

    instance_shape: HostedInstance | None = None
    platform_settings: PlatformSettings | None = None


class Queue(QueueRef, Editable):
    """A queue of a cluster.

    Attributes:
        dispatch_paused: Whether it is paused.
        hosted: Whether Buildkite hosts its agents; only present if it does.
        hosted_agents: How it does.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#queue-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset({"description", "retry_agent_affinity"})
    _repr_fields: ClassVar[tuple[str, ...]] = ("key", "description", "hosted", "dispatch_paused")

    id: str
    graphql_id: str | None = None
    key: str
    description: str | None = None
    url: str
    web_url: str | None = None
    cluster_url: str | None = None
    retry_agent_affinity: RetryAgentAffinity | None = None
    dispatch_paused: bool | None = None
    dispatch_paused_by: EmbeddedUser | None = None
    dispatch_paused_at: Timestamp | None = None
    dispatch_paused_note: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    hosted: bool | None = None
    hosted_agents: HostedAgents | None = None


class QueueQuerySet(QuerySet[Queue]):
    """The queues of a cluster."""

    _model = Queue

    def create(self, *, key: str, extra: Mapping[str, object] | None = None, **options: Unpack[QueueOptions]) -> Queue:
        """Create a queue: a self-hosted one, or a hosted one if `hostedAgents` is given.

        Args:
            key: Its name in jobs, as in `queue=default`.
            extra: Fields of the body that this library does not know.
            options: See `QueueOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value: the cluster has such a key already, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#create-a-self-hosted-queue
        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/queues#create-a-buildkite-hosted-queue
            (with hostedAgents)
        """
        return self._create(encode_body({"key": key, **options}, QueueOptions, "key", extra=extra))
