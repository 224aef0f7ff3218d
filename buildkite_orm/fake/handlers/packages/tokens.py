"""The tokens of registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.packages.registries import REGISTRIES, REGISTRY, parent_fields, place, registry_id_of
from buildkite_orm.fake.handlers.validation import Check
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _token(request: ApiRequest, record: Record) -> Json:
    registry = REGISTRIES.find(request)
    return {
        "id": record.id,
        "graphql_id": graphql_id("RegistryToken", record.id),
        **record.data,
        "url": place(request, registry, f"/tokens/{record.id}")["url"],
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
        **parent_fields(request, registry),
    }


def _secret(request: ApiRequest, _new_record: Record) -> Json:
    return {"token": request.context.store.ids.token("bkrt")}


_FIELDS = {"description": Check(str, required=True, filled=True)}
TOKENS = Collection(
    kind="registry_token",
    path=REGISTRY + "/tokens",
    key="token",
    read="read_registries",
    write="write_registries",
    render=_token,
    render_secret=_secret,
    create=_FIELDS,
    update=_FIELDS,
    owner=registry_id_of,
    paging="array",
    statuses={"create": 200, "delete": 200},
    methods=("POST", "PATCH", "PUT"),
)

ROUTES = TOKENS.routes()
