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


def rule(request: ApiRequest, record: Record) -> Json:
    """Return the payload of a rule."""
    source_type, action, target_type = record.data["type"].split(".")
    return {
        "uuid": record.id,
        "graphql_id": graphql_id("Rule", record.id),
        "organization_uuid": request.organization.id,
        "url": f"{request.view.organization(request.organization)}/rules/{record.id}",
        "type": record.data["type"],
        "source_type": source_type,
        "source_uuid": record.data["source_uuid"],
        "target_type": target_type,
        "target_uuid": record.data["target_uuid"],
        "effect": "allow",
        "action": action,
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
    }


def _validate(request: ApiRequest, record: Record, _body: Json) -> None:
    value = record.data["value"]
    for end in ("source", "target"):
        record.data[f"{end}_uuid"] = _pipeline(request.organization, value.get(f"{end}_pipeline"), end)
    if not isinstance(value.get("conditions", []), list):
        raise ApiError(422, "Conditions must be a list")


def _pipeline(organization: OrganizationRecord, named: object, end: str) -> str:
    """Return the id of a pipeline that is named by id or slug."""
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
    render=rule,
    create={"type": one_of(*_TYPES, required=True), "value": Check(dict, required=True, filled=True)},
    validate=_validate,
)

ROUTES = RULES.routes("list", "create", "get", "delete")
