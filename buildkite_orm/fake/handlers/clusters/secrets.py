"""Secrets of clusters; their values are kept and never told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, of_cluster, urls
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest, Reply
    from buildkite_orm.fake.records import Json, UserRecord

_KEY = re.compile(r"(?!buildkite|bk)[a-z][a-z0-9_]{0,254}", re.ASCII | re.IGNORECASE).fullmatch
_LARGEST_VALUE = 8 * 1024


def _secret(request: ApiRequest, thing: Record) -> Json:
    organization = request.organization
    return {
        "id": thing.id,
        "graphql_id": graphql_id("Secret", thing.id),
        "key": thing.data["key"],
        "description": thing.data["description"],
        "policy": thing.data["policy"],
        "created_at": request.view.time(thing.created_at),
        "created_by": _user(thing.created_by),
        "updated_at": request.view.time(thing.updated_at or thing.created_at),
        "updated_by": _user(thing.updated_by),
        "last_read_at": None,
        **urls(request, thing, "secrets"),
        "organization": {
            "id": organization.id,
            "slug": organization.slug,
            "url": request.view.organization(organization),
            "web_url": f"{WEB}/{organization.slug}",
        },
    }


def _user(record: UserRecord | None) -> Json | None:
    return None if record is None else {"id": record.id, "name": record.name, "email": record.email}


def _settle(request: ApiRequest, thing: Record, body: Json) -> None:
    others = [each.data["key"] for each in SECRETS.shelf(request).values() if each is not thing]
    if thing.data["key"] in others:
        raise ApiError(422, "Validation failed: Key has already been taken")
    if thing.id not in SECRETS.shelf(request):
        return
    if "key" in body:
        raise ApiError(422, "The key parameter cannot be updated.")
    if "value" in body:
        raise ApiError(422, "The value parameter cannot be updated on this endpoint.")


def _may_be_secret(value: str) -> bool:
    return bool(value.strip()) and len(value.encode()) < _LARGEST_VALUE


_VALUE = Check(str, filled=True, accepts=_may_be_secret)
_CHANGES = {"description": Check(str), "policy": Check(str)}
SECRETS = Collection(
    kind="secret",
    path=CLUSTER + "/secrets",
    key="secret",
    read="read_secret_details",
    write="write_secrets",
    tell=_secret,
    create={
        "key": Check(str, required=True, filled=True, accepts=lambda value: _KEY(value) is not None),
        "value": _VALUE,
        **_CHANGES,
    },
    update=_CHANGES,
    defaults={"value": None, "description": None, "policy": None},
    owner=of_cluster,
    settle=_settle,
)


def update_value(request: ApiRequest) -> Reply:
    """Change a secret's value, and nothing else."""
    thing, body = SECRETS.find(request), request.body()
    require_valid(body, {"value": replace(_VALUE, required=True)})
    thing.data["value"] = body["value"]
    thing.updated_at, thing.updated_by = request.context.lifecycle.now, request.token.user
    return SECRETS.answer(request, thing, "update", 200)


ROUTES = (*SECRETS.routes(), route("PUT", SECRETS.path + "/{secret}/value", SECRETS.write, update_value))
