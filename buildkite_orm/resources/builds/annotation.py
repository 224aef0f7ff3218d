"""Annotations: notes on builds and on jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import AnnotationScope, AnnotationStyle
from buildkite_orm.models.paths import encode_key
from buildkite_orm.models.resource import Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack


class AnnotationFilters(TypedDict, total=False):
    """Filters for the annotations of a build.

    Attributes:
        scope: Those of the `build` (the default), of its jobs (`job`), or `all`.
        omit_body: Whether to leave out `body_html`, which may be long.
    """

    scope: AnnotationScope | Literal["build", "job", "all"]
    omit_body: bool


class AnnotationOptions(TypedDict, total=False):
    """Optional fields of a new annotation.

    Attributes:
        style: Its style.
        priority: 1 to 10; the higher, the further up. The server's default is 3.
        context: Its topic; a build or job has one annotation per context.
        append: Whether to append to the annotation of that context, if there is one.
    """

    style: AnnotationStyle | Literal["success", "info", "warning", "error"]
    priority: int
    context: str
    append: bool


class AnnotationRef(InOrganization):
    """The ref of an annotation."""

    _kind = "annotation"
    _paths = (
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/annotations/{id}",
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/jobs/{job}/annotations/{id}",
        "organizations/{organization}/jobs/{job}/annotations/{id}",
    )

    if TYPE_CHECKING:
        id: str

    def delete(self) -> None:
        """Delete the annotation.

        Raises:
            NotFoundError: It does not exist.

        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#delete-an-annotation-on-a-build
        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#delete-an-annotation-on-a-job
        """
        self._execute("DELETE")


class Annotation(AnnotationRef, Resource):
    """A note on a build, or on a job.

    Attributes:
        body_html: Its text as HTML; None if the listing omits it.

    Documentation: https://buildkite.com/docs/apis/rest-api/annotations#annotation-data-model
    """

    has_url: ClassVar[bool] = False
    _repr_fields: ClassVar[tuple[str, ...]] = ("context", "style", "scope")

    id: str
    context: str | None = None
    style: AnnotationStyle | None = None
    scope: AnnotationScope | None = None
    job_id: str | None = None
    priority: int | None = None
    body_html: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def _path_in_collection(self) -> str | None:
        path = super()._path_in_collection()
        keys = {} if path is None else self.routes.keys_in(path)
        job = encode_key(self.job_id) if self.job_id and "job" not in keys else None
        if job is None or not keys:
            return path
        # a build lists the annotations of its jobs too, which are deleted by the path of their job
        return self.routes.path_of({"organization": keys["organization"], "job": job, "annotation": keys["annotation"]})


class AnnotationQuerySet(QuerySet[Annotation]):
    """The annotations of a build or a job, those of high priority first."""

    _model = Annotation
    _label = "AnnotationQuerySet"

    def create(
        self, *, body: str, extra: Mapping[str, object] | None = None, **options: Unpack[AnnotationOptions]
    ) -> Annotation:
        """Add an annotation, or replace or append to the one of its context.

        Args:
            body: Markdown or HTML.
            extra: Fields of the body that this library does not know.
            options: See `AnnotationOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#create-an-annotation-on-a-job
        """
        return self._create(encode_body({"body": body, **options}, AnnotationOptions, "body", extra=extra))


class BuildAnnotationQuerySet(AnnotationQuerySet):
    """The annotations of a build, those of high priority first."""

    _filters_type = AnnotationFilters

    def create(
        self, *, body: str, extra: Mapping[str, object] | None = None, **options: Unpack[AnnotationOptions]
    ) -> Annotation:
        """Add an annotation to the build, or replace or append to the one of its context.

        Args:
            body: Markdown or HTML.
            extra: Fields of the body that this library does not know.
            options: See `AnnotationOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/annotations#create-an-annotation-on-a-build
        """
        return super().create(body=body, extra=extra, **options)

    def filter(self, **filters: Unpack[AnnotationFilters]) -> Self:
        """Return a queryset with more filters; see `AnnotationFilters`."""
        return self._filtered(filters)
