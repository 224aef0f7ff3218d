"""Pipeline templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.configuration import has_steps
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.validation import Check, require_administrator
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _template(request: ApiRequest, thing: Record) -> Json:
    view, organization = request.view, request.organization
    return {
        "uuid": thing.id,
        "graphql_id": graphql_id("PipelineTemplate", thing.id),
        **thing.data,
        "url": f"{view.organization(organization)}/pipeline-templates/{thing.id}",
        "web_url": f"{WEB}/organizations/{organization.slug}/pipeline-templates/{thing.id}",
        "created_at": view.time(thing.created_at),
        "created_by": user_or_none(view, thing.created_by),
        "updated_at": view.time(thing.updated_at or thing.created_at),
        "updated_by": user_or_none(view, thing.updated_by or thing.created_by),
    }


class Templates(Collection):
    """The templates that whoever asks may see; administrators see all, and change them."""

    def shelf(self, request: ApiRequest) -> dict[str, Record]:
        """Give those that may be seen."""
        things = Collection.shelf(self, request)
        if request.token.user.role == "admin":
            return things
        return {key: each for key, each in things.items() if each.data["available"]}

    def create_one(self, request: ApiRequest) -> Reply:
        """Create one."""
        require_administrator(request)
        return Collection.create_one(self, request)

    def update_one(self, request: ApiRequest) -> Reply:
        """Change one."""
        require_administrator(request)
        return Collection.update_one(self, request)

    def delete_one(self, request: ApiRequest) -> Reply:
        """Delete one that no pipeline has."""
        require_administrator(request)
        return Collection.delete_one(self, request)


def _unsettle(request: ApiRequest, thing: Record) -> None:
    if any(each.pipeline_template_uuid == thing.id for each in request.organization.pipelines.values()):
        raise ApiError(422, "Pipeline template is assigned to pipelines")


_FIELDS = {"description": Check(str), "available": Check(bool, filled=True)}
TEMPLATES = Templates(
    kind="pipeline_template",
    path=ORGANIZATION + "/pipeline-templates",
    key="template",
    read="read_pipeline_templates",
    write="write_pipeline_templates",
    tell=_template,
    create={
        "name": Check(str, required=True, filled=True),
        "configuration": Check(str, required=True, filled=True, accepts=has_steps),
        **_FIELDS,
    },
    update={
        "name": Check(str, filled=True),
        "configuration": Check(str, filled=True, accepts=has_steps),
        **_FIELDS,
    },
    defaults={"description": None, "available": False},
    unsettle=_unsettle,
    paging="array",
)

ROUTES = TEMPLATES.routes()
