"""The tokens of registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.packages.registries import REGISTRIES, REGISTRY, of_registry, place, whereabouts
from buildkite_orm.fake.handlers.validation import Check
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _token(request: ApiRequest, thing: Record) -> Json:
    registry = REGISTRIES.find(request)
    return {
        "id": thing.id,
        "graphql_id": graphql_id("RegistryToken", thing.id),
        **thing.data,
        "url": place(request, registry, f"/tokens/{thing.id}")["url"],
        "created_at": request.view.time(thing.created_at),
        "created_by": user_or_none(request.view, thing.created_by),
        **whereabouts(request, registry),
    }


def _secret(request: ApiRequest, _thing: Record) -> Json:
    return {"token": request.context.store.ids.token("bkrt")}


_FIELDS = {"description": Check(str, required=True, filled=True)}
TOKENS = Collection(
    kind="registry_token",
    path=REGISTRY + "/tokens",
    key="token",
    read="read_registries",
    write="write_registries",
    tell=_token,
    reveal=_secret,
    create=_FIELDS,
    update=_FIELDS,
    owner=of_registry,
    paging="array",
    statuses={"create": 200, "delete": 200},
    methods=("POST", "PATCH", "PUT"),
)

ROUTES = TOKENS.routes()
