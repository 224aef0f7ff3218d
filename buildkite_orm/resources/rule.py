"""Rules: what a pipeline may do with another pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NotRequired, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Fetchable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.embedded import EmbeddedUser
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RuleType(OpenEnum):
    """The kinds of rule: what the source pipeline may do with the target."""

    TRIGGER_BUILD = "pipeline.trigger_build.pipeline"
    ARTIFACTS_READ = "pipeline.artifacts_read.pipeline"


class RuleValue(TypedDict):
    """The pipelines of a rule.

    Attributes:
        source_pipeline: The id or slug of the pipeline that may do it.
        target_pipeline: The id or slug of the pipeline that it may be done to.
        conditions: Conditionals that must all hold, as `source.build.branch == 'main'`.
    """

    source_pipeline: str
    target_pipeline: str
    conditions: NotRequired[Sequence[str]]


class RuleRef(InOrganization, Deletable):
    """The ref of a rule."""

    _kind = "rule"
    _paths = ("organizations/{organization}/rules/{uuid}",)
    delete_documentation = "rules#rules-delete-a-rule"

    if TYPE_CHECKING:
        uuid: str

    def fetch(self) -> Rule:
        """Fetch the rule.

        Raises:
            NotFoundError: Nothing has this id, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/rules#rules-get-a-rule
        """
        return self._request(Rule)


class Rule(RuleRef, Fetchable):
    """A rule.

    Documentation: https://buildkite.com/docs/apis/rest-api/rules
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("type", "effect", "uuid")

    uuid: str
    graphql_id: str | None = None
    organization_uuid: str | None = None
    url: str
    type: RuleType
    source_type: str | None = None
    source_uuid: str | None = None
    target_type: str | None = None
    target_uuid: str | None = None
    effect: str | None = None
    action: str | None = None
    created_at: Timestamp | None = None
    created_by: EmbeddedUser | None = None


class RuleQuerySet(QuerySet[Rule]):
    """The rules of an organization."""

    _model = Rule

    def create(
        self,
        *,
        type: RuleType | Literal["pipeline.trigger_build.pipeline", "pipeline.artifacts_read.pipeline"],  # noqa: A002
        value: RuleValue,
        extra: Mapping[str, object] | None = None,
    ) -> Rule:
        """Create a rule.

        Args:
            type: The kind of rule.
            value: See `RuleValue`.
            extra: Fields of the body that this library does not know.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/rules#rules-create-a-rule
        """
        return self._create(encode_body({"type": type, "value": value}, extra=extra, method=RuleQuerySet.create))
