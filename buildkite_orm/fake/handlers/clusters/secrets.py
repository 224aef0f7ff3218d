"""Secrets of clusters; their values are stored and never returned."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_id_of, urls
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


def _secret(request: ApiRequest, record: Record) -> Json:
    organization = request.organization
    return {
        "id": record.id,
        "graphql_id": graphql_id("Secret", record.id),
        "key": record.data["key"],
        "description": record.data["description"],
        "policy": record.data["policy"],
        "created_at": request.view.time(record.created_at),
        "created_by": _user(record.created_by),
        "updated_at": request.view.time(record.updated_at or record.created_at),
        "updated_by": _user(record.updated_by),
        "last_read_at": None,
        **urls(request, record, "secrets"),
        "organization": {
            "id": organization.id,
            "slug": organization.slug,
            "url": request.view.organization(organization),
            "web_url": f"{WEB}/{organization.slug}",
        },
    }


def _user(record: UserRecord | None) -> Json | None:
    return None if record is None else {"id": record.id, "name": record.name, "email": record.email}


def _validate(request: ApiRequest, record: Record, body: Json) -> None:
    others = [each.data["key"] for each in SECRETS.records(request).values() if each is not record]
    if record.data["key"] in others:
        raise ApiError(422, "Validation failed: Key has already been taken")
    if record.id not in SECRETS.records(request):
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
    render=_secret,
    create={
        "key": Check(str, required=True, filled=True, accepts=lambda value: _KEY(value) is not None),
        "value": _VALUE,
        **_CHANGES,
    },
    update=_CHANGES,
    defaults={"value": None, "description": None, "policy": None},
    owner=cluster_id_of,
    validate=_validate,
)


def update_value(request: ApiRequest) -> Reply:
    """Update a secret's value."""
    record, body = SECRETS.find(request), request.body()
    require_valid(body, {"value": replace(_VALUE, required=True)})
    record.data["value"] = body["value"]
    record.updated_at, record.updated_by = request.context.lifecycle.now, request.token.user
    return SECRETS.response(request, record, "update", 200)


ROUTES = (*SECRETS.routes(), route("PUT", SECRETS.path + "/{secret}/value", SECRETS.write, update_value))
