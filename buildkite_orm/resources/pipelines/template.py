"""Pipeline templates: steps that pipelines share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "PipelineTemplate",
    "PipelineTemplateChanges",
    "PipelineTemplateOptions",
    "PipelineTemplateQuerySet",
    "PipelineTemplateRef",
]


class PipelineTemplateOptions(TypedDict, total=False):
    """Optional fields of a template.

    Attributes:
        available: Whether users who are not administrators can assign it to pipelines.
    """

    description: str | None
    available: bool


class PipelineTemplateChanges(PipelineTemplateOptions, total=False):
    """Fields of a template that can be changed; `None` clears one. See `PipelineTemplateOptions`.

    Attributes:
        configuration: The steps as YAML.
    """

    name: str
    configuration: str


class PipelineTemplateRef(InOrganization, Deletable):
    """The ref of a template. One that a pipeline has cannot be deleted."""

    _kind = "pipeline_template"
    _paths = ("organizations/{organization}/pipeline-templates/{uuid}",)
    delete_documentation = "pipeline-templates#delete-a-pipeline-template"

    if TYPE_CHECKING:
        uuid: str

    def fetch(self) -> PipelineTemplate:
        """Fetch the template.

        Raises:
            NotFoundError: Nothing has this UUID, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-templates#get-a-pipeline-template
        """
        return self._request(PipelineTemplate)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[PipelineTemplateChanges]
    ) -> PipelineTemplate:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `PipelineTemplateChanges`.

        Raises:
            PermissionDeniedError: The user does not administer the organization.
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-templates#update-a-pipeline-template
        """
        return self._update(PipelineTemplate, changes, PipelineTemplateChanges, extra)


class PipelineTemplate(PipelineTemplateRef, Editable):
    """A pipeline template.

    Attributes:
        configuration: The steps as YAML.
        available: Whether users who are not administrators can assign it to pipelines.

    Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-templates#pipeline-template-data-model
    """

    editable: ClassVar[frozenset[str]] = frozenset(PipelineTemplateChanges.__annotations__)
    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "available")

    uuid: str
    graphql_id: str | None = None
    name: str
    description: str | None = None
    configuration: str | None = None
    available: bool | None = None
    url: str
    web_url: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None
    updated_at: Timestamp | None = None
    updated_by: EmbeddedUser | None = None


class PipelineTemplateQuerySet(QuerySet[PipelineTemplate]):
    """The pipeline templates of an organization."""

    _model = PipelineTemplate

    def create(
        self,
        *,
        name: str,
        configuration: str,
        extra: Mapping[str, object] | None = None,
        **options: Unpack[PipelineTemplateOptions],
    ) -> PipelineTemplate:
        """Create a template; only administrators can.

        Args:
            name: Its name.
            configuration: The steps as YAML.
            extra: Fields of the body that this library does not know.
            options: See `PipelineTemplateOptions`.

        Raises:
            PermissionDeniedError: The user does not administer the organization.
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-templates#create-a-pipeline-template
        """
        return self._create(
            encode_body({"name": name, "configuration": configuration, **options}, PipelineTemplateChanges, extra=extra)
        )
