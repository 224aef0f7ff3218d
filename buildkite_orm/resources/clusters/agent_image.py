"""The agent images of clusters, which hosted Linux agents run, built from custom Dockerfiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Fetchable
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InCluster

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AgentImage",
    "AgentImageQuerySet",
    "AgentImageRef",
    "AgentImageStatus",
]


class AgentImageStatus(OpenEnum):
    """The states of the build of an agent image."""

    BUILDING = "BUILDING"
    READY = "READY"
    FAILED = "FAILED"


class AgentImageRef(InCluster, Deletable):
    """The ref of an agent image. It can be deleted while no queue uses it."""

    _kind = "agent_image"
    _paths = ("organizations/{organization}/clusters/{cluster}/agent-images/{id}",)
    delete_documentation = "clusters/agent-images#delete-an-agent-image"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> AgentImage:
        """Fetch the agent image; its `status` says whether it is built.

        Raises:
            NotFoundError: The cluster has none with this id, or the organization may not have agent images.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-images#get-an-agent-image
        """
        return self._request(AgentImage)


class AgentImage(AgentImageRef, Fetchable):
    """An agent image.

    Attributes:
        image_ref: Its URL, which queues take as `agentImageRef`; None until it is built.
        last_build_error: Why the last build failed, if it did.
        dockerfile: Its Dockerfile, without a `FROM`.
        base_image: The `FROM` that Buildkite puts before that.
        composed_dockerfile: The two together.

    Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-images#agent-image-data-model
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "status")

    id: str
    name: str
    status: AgentImageStatus
    image_ref: str | None = None
    version: int | None = None
    last_build_error: str | None = None
    dockerfile: str | None = None
    base_image: str | None = None
    composed_dockerfile: str | None = None
    url: str
    web_url: str | None = None
    cluster_url: str | None = None


class AgentImageQuerySet(QuerySet[AgentImage]):
    """The agent images of a cluster, by their names."""

    _model = AgentImage
    _is_numbered = False

    def create(self, *, name: str, dockerfile: str, extra: Mapping[str, object] | None = None) -> AgentImage:
        """Create an agent image; it is `BUILDING` for some time, see `reload()`.

        Args:
            name: Its name, unique in the cluster.
            dockerfile: The instructions on top of Buildkite's base image, without a `FROM`; may be empty.
            extra: Fields of the body that this library does not know.

        Raises:
            StatusError: The cluster has one of this name already (`status` is 409).
            UnprocessableEntityError: The server rejects a value, or the cluster has no hosted agents.

        Documentation: https://buildkite.com/docs/apis/rest-api/clusters/agent-images#create-an-agent-image
        """
        return self._create(encode_body({"name": name, "dockerfile": dockerfile}, extra=extra))
