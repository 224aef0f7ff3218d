"""Notification services: whom an organization tells of its builds and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

__all__ = [
    "NotificationProvider",
    "NotificationScope",
    "NotificationService",
    "NotificationServiceOptions",
    "NotificationServiceProvider",
    "NotificationServiceQuerySet",
    "NotificationServiceRef",
]


class NotificationProvider(OpenEnum):
    """The kinds of notification service. `SLACK_WORKSPACE` and `LINEAR` are connected on the web, not created."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    AWS_EVENT_BRIDGE = "aws_event_bridge"
    DATADOG_PIPELINE_VISIBILITY = "datadog_pipeline_visibility"
    OPEN_TELEMETRY_TRACING = "open_telemetry_tracing"
    EVENT_LOG_API = "event_log_api"
    SLACK_WORKSPACE = "slack_workspace"
    LINEAR = "linear"


class NotificationScope(OpenEnum):
    """Of which pipelines a notification service tells: all, or those of `scope_uuids`."""

    ALL = "all"
    SOME_PROJECTS = "some_projects"
    SOME_TEAMS = "some_teams"
    SOME_CLUSTERS = "some_clusters"


class NotificationServiceOptions(TypedDict, total=False):
    """What may be said of a notification service, a new one or one that is there.

    Attributes:
        branch_configuration: Patterns of branches, as `main feature/*`; empty for all branches.
        scope: Of which pipelines it tells; of all unless said.
        scope_uuids: The ids of the pipelines (for `some_projects`), the teams or the clusters that `scope` means.
        build_states: Whether it tells of a state: `build_passed`, `build_fixed`, `build_failed`, `build_blocked`,
            `build_canceled`, `build_failing`, `job_activated`.
        settings: What the provider needs to know, by its names; those not named stay. A secret that is sent back
            masked, as it was told, stays too.
    """

    description: str | None
    branch_configuration: str
    scope: NotificationScope | Literal["all", "some_projects", "some_teams", "some_clusters"]
    scope_uuids: Sequence[str]
    build_states: Mapping[str, bool]
    settings: Mapping[str, Any]


class NotificationServiceRef(InOrganization, Deletable):
    """Where a notification service is."""

    _kind = "notification_service"
    _paths = ("organizations/{organization}/services/{id}",)
    delete_documentation = "organizations/notification-services#delete-a-notification-service"

    def fetch(self) -> NotificationService:
        """Ask for the notification service.

        Raises:
            NotFoundError: There is none of this id in the organization.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#get-a-notification-service
        """
        return self._request(NotificationService)

    def update(self, **changes: Unpack[NotificationServiceOptions]) -> NotificationService:
        """Change some of its properties, and nothing else; an object takes over the answer.

        Args:
            changes: See `NotificationServiceOptions`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#update-a-notification-service
        """
        return self._update(NotificationService, changes, NotificationServiceOptions)

    def enable(self) -> NotificationService:
        """Have it tell again; that it was disabled, or broken, is forgotten.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#enable-a-notification-service
        """
        return self._request(NotificationService, "PUT", "enable", idempotent=False)

    def disable(self) -> NotificationService:
        """Have it tell nothing for now.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#disable-a-notification-service
        """
        return self._request(NotificationService, "PUT", "disable", idempotent=False)


class NotificationServiceProvider(Model):
    """The kind of a notification service, and what that is called."""

    id: NotificationProvider
    name: str | None = None


class NotificationService(NotificationServiceRef, Editable):
    """A notification service.

    Attributes:
        branch_configuration: Patterns of branches; empty for all branches.
        build_states: Whether it tells of a state, by the states' names.
        settings: What the provider knows; the names differ by provider. The token of a webhook is told in full, other
            secrets masked or not at all; no repr has any of it.

    Documentation:
        https://buildkite.com/docs/apis/rest-api/organizations/notification-services#notification-service-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(NotificationServiceOptions.__annotations__)

    id: str
    graphql_id: str | None = None
    url: str
    provider: NotificationServiceProvider | None = None
    description: str | None = None
    enabled: bool | None = None
    scope: NotificationScope | None = None
    scope_uuids: list[str] = Field(default_factory=list[str])
    branch_configuration: str | None = None
    build_states: dict[str, bool] = Field(default_factory=dict[str, bool])
    settings: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None

    def _summary(self) -> Iterable[object]:
        yield self.provider and self.provider.id
        yield self.description or self.id
        yield None if self.enabled is None else "enabled" if self.enabled else "disabled"


class NotificationServiceQuerySet(QuerySet[NotificationService]):
    """The notification services of an organization, oldest first."""

    _model = NotificationService
    _is_numbered = False

    def create(
        self,
        *,
        provider: NotificationProvider
        | Literal[
            "webhook",
            "slack",
            "aws_event_bridge",
            "datadog_pipeline_visibility",
            "open_telemetry_tracing",
            "event_log_api",
        ],
        **options: Unpack[NotificationServiceOptions],
    ) -> NotificationService:
        """Create a notification service.

        Args:
            provider: Its kind.
            options: See `NotificationServiceOptions`.

        Raises:
            UnprocessableEntityError: The server does not accept a value.

        Example:
            >>> service = bk.organization("acme").notification_services().create(
            ...     provider="webhook",
            ...     settings={"url": "https://example.com/hook", "token": "s3cret", "events": ["build.finished"]},
            ...     build_states={"build_failed": True},
            ... )
            >>> service.disable().enabled
            False

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#create-a-notification-service
        """
        return self._create(encode_body({"provider": provider, **options}, NotificationServiceOptions, "provider"))
