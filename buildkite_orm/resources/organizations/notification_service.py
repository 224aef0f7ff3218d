"""Notification services, which an organization notifies of its builds and jobs."""

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
    """The pipelines of a notification service: all, or those of `scope_uuids`."""

    ALL = "all"
    SOME_PROJECTS = "some_projects"
    SOME_TEAMS = "some_teams"
    SOME_CLUSTERS = "some_clusters"


class NotificationServiceOptions(TypedDict, total=False):
    """Optional fields of a notification service, for creation and update.

    Attributes:
        branch_configuration: Patterns of branches, as `main feature/*`; empty for all branches.
        scope: Its pipelines; default: all.
        scope_uuids: The ids of the pipelines (for `some_projects`), the teams or the clusters that `scope` means.
        build_states: Whether it notifies of a state: `build_passed`, `build_fixed`, `build_failed`, `build_blocked`,
            `build_canceled`, `build_failing`, `job_activated`.
        settings: The settings of the provider; others stay unchanged. So does a secret that is sent as it was
            returned, masked.
    """

    description: str | None
    branch_configuration: str
    scope: NotificationScope | Literal["all", "some_projects", "some_teams", "some_clusters"]
    scope_uuids: Sequence[str]
    build_states: Mapping[str, bool]
    settings: Mapping[str, Any]


class NotificationServiceRef(InOrganization, Deletable):
    """The ref of a notification service."""

    _kind = "notification_service"
    _paths = ("organizations/{organization}/services/{id}",)
    delete_documentation = "organizations/notification-services#delete-a-notification-service"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> NotificationService:
        """Fetch the notification service.

        Raises:
            NotFoundError: The organization has none with this id.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#get-a-notification-service
        """
        return self._request(NotificationService)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[NotificationServiceOptions]
    ) -> NotificationService:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `NotificationServiceOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#update-a-notification-service
        """
        return self._update(NotificationService, changes, NotificationServiceOptions, extra)

    def enable(self) -> NotificationService:
        """Enable it; clears that it was disabled, or broken.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#enable-a-notification-service
        """
        return self._request(NotificationService, "PUT", "enable", idempotent=False)

    def disable(self) -> NotificationService:
        """Disable it: it sends no notifications.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/notification-services#disable-a-notification-service
        """
        return self._request(NotificationService, "PUT", "disable", idempotent=False)


class NotificationServiceProvider(Model):
    """The provider of a notification service, with its name."""

    id: NotificationProvider
    name: str | None = None


class NotificationService(NotificationServiceRef, Editable):
    """A notification service.

    Attributes:
        branch_configuration: Patterns of branches; empty for all branches.
        build_states: Whether it notifies of a state, by the names of states.
        settings: The settings of the provider; the names differ. The token of a webhook is returned in full, other
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
        extra: Mapping[str, object] | None = None,
        **options: Unpack[NotificationServiceOptions],
    ) -> NotificationService:
        """Create a notification service.

        Args:
            provider: Its kind.
            extra: Fields of the body that this library does not know.
            options: See `NotificationServiceOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

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
        return self._create(
            encode_body(
                {"provider": provider, **options},
                NotificationServiceOptions,
                "provider",
                extra=extra,
                method=NotificationServiceQuerySet.create,
            )
        )
