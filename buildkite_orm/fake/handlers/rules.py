"""Rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.validation import Check, one_of
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json, OrganizationRecord

_TYPES = ("pipeline.trigger_build.pipeline", "pipeline.artifacts_read.pipeline")


def rule(request: ApiRequest, thing: Record) -> Json:
    """Tell a rule."""
    source_type, action, target_type = thing.data["type"].split(".")
    return {
        "uuid": thing.id,
        "graphql_id": graphql_id("Rule", thing.id),
        "organization_uuid": request.organization.id,
        "url": f"{request.view.organization(request.organization)}/rules/{thing.id}",
        "type": thing.data["type"],
        "source_type": source_type,
        "source_uuid": thing.data["source_uuid"],
        "target_type": target_type,
        "target_uuid": thing.data["target_uuid"],
        "effect": "allow",
        "action": action,
        "created_at": request.view.time(thing.created_at),
        "created_by": user_or_none(request.view, thing.created_by),
    }


def _settle(request: ApiRequest, thing: Record, _body: Json) -> None:
    value = thing.data["value"]
    for end in ("source", "target"):
        thing.data[f"{end}_uuid"] = _pipeline(request.organization, value.get(f"{end}_pipeline"), end)
    if not isinstance(value.get("conditions", []), list):
        raise ApiError(422, "Conditions must be a list")


def _pipeline(organization: OrganizationRecord, named: object, end: str) -> str:
    """Find a pipeline by its id or slug, and give its id."""
    found = next((each.id for each in organization.pipelines.values() if named in (each.id, each.slug)), None)
    if found is None:
        raise ApiError(422, f"{end.capitalize()} pipeline could not be found")
    return found


RULES = Collection(
    kind="rule",
    path=ORGANIZATION + "/rules",
    key="rule",
    read="read_rules",
    write="write_rules",
    tell=rule,
    create={"type": one_of(*_TYPES, required=True), "value": Check(dict, required=True, filled=True)},
    settle=_settle,
)

ROUTES = RULES.routes("list", "create", "get", "delete")
