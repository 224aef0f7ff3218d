"""Pipeline templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.validation import Check, require_administrator
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.payloads.view import WEB
from buildkite_orm.fake.pipeline_yaml import is_pipeline

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _template(request: ApiRequest, record: Record) -> Json:
    view, organization = request.view, request.organization
    return {
        "uuid": record.id,
        "graphql_id": graphql_id("PipelineTemplate", record.id),
        **record.data,
        "url": f"{view.organization(organization)}/pipeline-templates/{record.id}",
        "web_url": f"{WEB}/organizations/{organization.slug}/pipeline-templates/{record.id}",
        "created_at": view.time(record.created_at),
        "created_by": user_or_none(view, record.created_by),
        "updated_at": view.time(record.updated_at or record.created_at),
        "updated_by": user_or_none(view, record.updated_by or record.created_by),
    }


class Templates(Collection):
    """The templates that the user may see; administrators see and change all."""

    def records(self, request: ApiRequest) -> dict[str, Record]:
        """Return the visible templates."""
        records = Collection.records(self, request)
        if request.token.user.role == "admin":
            return records
        return {key: each for key, each in records.items() if each.data["available"]}

    def create_record(self, request: ApiRequest) -> Reply:
        """Create a template."""
        require_administrator(request)
        return Collection.create_record(self, request)

    def update_record(self, request: ApiRequest) -> Reply:
        """Update a template."""
        require_administrator(request)
        return Collection.update_record(self, request)

    def delete_record(self, request: ApiRequest) -> Reply:
        """Delete a template that no pipeline uses."""
        require_administrator(request)
        return Collection.delete_record(self, request)


def _before_delete(request: ApiRequest, record: Record) -> None:
    if any(each.pipeline_template_uuid == record.id for each in request.organization.pipelines.values()):
        raise ApiError(422, "Pipeline template is assigned to pipelines")


_FIELDS = {"description": Check(str), "available": Check(bool, filled=True)}
TEMPLATES = Templates(
    kind="pipeline_template",
    path=ORGANIZATION + "/pipeline-templates",
    key="template",
    read="read_pipeline_templates",
    write="write_pipeline_templates",
    render=_template,
    create={
        "name": Check(str, required=True, filled=True),
        "configuration": Check(str, required=True, filled=True, accepts=is_pipeline),
        **_FIELDS,
    },
    update={
        "name": Check(str, filled=True),
        "configuration": Check(str, filled=True, accepts=is_pipeline),
        **_FIELDS,
    },
    defaults={"description": None, "available": False},
    before_delete=_before_delete,
    paging="array",
)

ROUTES = TEMPLATES.routes()
