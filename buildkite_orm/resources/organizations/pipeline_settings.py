"""The pipeline settings of organizations, for all pipelines or for new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.resource import Editable, Model, Timestamp
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, Unpack

__all__ = [
    "BuildExportStrategy",
    "BuildExports",
    "OnOffSetting",
    "OneWaySetting",
    "PipelineSettings",
    "PipelineSettingsChanges",
    "PipelineSettingsRef",
]


class BuildExportStrategy(OpenEnum):
    """The destinations of build exports."""

    S3 = "s3"
    GCS = "gcs"


class PipelineSettingsChanges(TypedDict, total=False):
    """Fields of the pipeline settings that can be changed; `None` clears a field that may be empty.

    Attributes:
        default_branch: Of new pipelines.
        default_cluster_id: The id of the cluster that new pipelines are in.
        default_timeout_in_minutes: How long a job of a new pipeline may run.
        maximum_timeout_in_minutes: The longest timeout of a job, for any pipeline.
        scheduled_job_expiry_in_minutes: How long a job may wait to be run.
    """

    default_branch: str
    default_cluster_id: str | None
    default_timeout_in_minutes: int | None
    maximum_timeout_in_minutes: int | None
    scheduled_job_expiry_in_minutes: int | None


class PipelineSettingsRef(InOrganization):
    """The ref of an organization's pipeline settings; only administrators can access them."""

    _kind = "pipeline_settings"
    _paths = ("organizations/{organization}/pipeline-settings",)

    def fetch(self) -> PipelineSettings:
        """Fetch the pipeline settings.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#get-pipeline-settings
        """
        return self._request(PipelineSettings)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[PipelineSettingsChanges]
    ) -> PipelineSettings:
        """Change some of the settings, and nothing else; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `PipelineSettingsChanges`.

        Raises:
            PermissionDeniedError: The user is not an administrator.
            UnprocessableEntityError: The server rejects a value.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#update-pipeline-settings
        """
        return self._update(PipelineSettings, changes, PipelineSettingsChanges, extra)

    def enable_hosted_agents_ssh(self) -> PipelineSettings:
        """Enable SSH access to hosted agents, and VNC access to those on macOS.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#enable-hosted-agents-remote-access
        """
        return self._turn_on("hosted-agents-ssh")

    def disable_hosted_agents_ssh(self) -> PipelineSettings:
        """Disable SSH and VNC access to hosted agents.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#disable-hosted-agents-remote-access
        """
        return self._turn_off("hosted-agents-ssh")

    def enable_public_pipelines(self) -> PipelineSettings:
        """Allow members to create public pipelines.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#enable-public-pipeline-creation
        """
        return self._turn_on("public-pipelines")

    def disable_public_pipelines(self) -> PipelineSettings:
        """Forbid public pipelines for all users.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#disable-public-pipeline-creation
        """
        return self._turn_off("public-pipelines")

    def enable_advanced_queue_metrics(self) -> PipelineSettings:
        """Enable advanced queue metrics of clusters; the API cannot disable them.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#enable-advanced-queue-metrics
        """
        return self._turn_on("advanced-queue-metrics")

    def configure_build_export(
        self, *, location: str, strategy_id: BuildExportStrategy | Literal["s3", "gcs"]
    ) -> PipelineSettings:
        """Enable the export of builds to a bucket.

        Args:
            location: The name of the bucket, or its URI as `s3://my-export-bucket`.
            strategy_id: The kind of bucket; `build_exports.supported_strategies` lists those that there are.

        Raises:
            PermissionDeniedError: The user is not an administrator, or the plan does not include build exports.
            UnprocessableEntityError: The server rejects a value, or does not reach the bucket.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#configure-build-export
        """
        fields = {"location": location, "strategy_id": strategy_id}
        body = encode_body(fields, method=PipelineSettingsRef.configure_build_export)
        return self._request(PipelineSettings, "PUT", "build-export", body=body)

    def disable_build_export(self) -> PipelineSettings:
        """Disable the export of builds, and delete its settings.

        Raises:
            PermissionDeniedError: The user is not an administrator, or the plan does not include build exports.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#disable-build-export
        """
        return self._turn_off("build-export")

    # PUT and DELETE set the whole setting, so they are idempotent and may be retried.

    def _turn_on(self, setting: str) -> PipelineSettings:
        return self._request(PipelineSettings, "PUT", setting)

    def _turn_off(self, setting: str) -> PipelineSettings:
        return self._request(PipelineSettings, "DELETE", setting)


class OnOffSetting(Model):
    """A setting that is on or off, with the user who enabled it, and the time."""

    enabled: bool
    enabled_at: Timestamp | None = None
    enabled_by: EmbeddedUser | None = None


class OneWaySetting(OnOffSetting):
    """A setting that may be on for good.

    Attributes:
        disable_supported: Whether the API can turn it off.
    """

    disable_supported: bool | None = None


class BuildExports(Model):
    """The destinations of build exports.

    Attributes:
        available: Whether the plan includes it.
        enabled: Whether they are exported.
        location: The name of the bucket.
        supported_strategies: The values that `strategy_id` may have.
    """

    available: bool | None = None
    enabled: bool
    location: str | None = None
    strategy_id: BuildExportStrategy | None = None
    supported_strategies: list[BuildExportStrategy] = Field(default_factory=list[BuildExportStrategy])


class PipelineSettings(PipelineSettingsRef, Editable):
    """The pipeline settings of an organization.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations/pipeline-settings#response-fields
    """

    editable: ClassVar[frozenset[str]] = frozenset(PipelineSettingsChanges.__annotations__)

    url: str
    default_branch: str | None = None
    default_cluster_id: str | None = None
    default_timeout_in_minutes: int | None = None
    maximum_timeout_in_minutes: int | None = None
    scheduled_job_expiry_in_minutes: int | None = None
    hosted_agents_terminal_access: OnOffSetting | None = None
    public_pipeline_creation: OnOffSetting | None = None
    advanced_queue_metrics: OneWaySetting | None = None
    build_exports: BuildExports | None = None
