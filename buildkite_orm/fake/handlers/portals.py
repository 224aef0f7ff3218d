"""Portals."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION
from buildkite_orm.fake.handlers.validation import Check
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.ids import slug_of
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def portal(request: ApiRequest, record: Record) -> Json:
    """Return the payload of a portal, without its secret."""
    return {
        "uuid": record.id,
        "organization_uuid": request.organization.id,
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
        **record.data,
    }


def _secret(request: ApiRequest, _new_record: Record) -> Json:
    """Return a new secret, which is shown once and not stored."""
    return {"token": request.context.store.ids.token("bkpt")}


def are_networks(text: str) -> bool:
    """Return whether a text is a list of networks in CIDR notation, separated by spaces."""
    try:
        return bool([ip_network(each) for each in text.split()])
    except ValueError:
        return False


def _validate(request: ApiRequest, record: Record, _body: Json) -> None:
    slug = record.data["slug"] = record.data["slug"] or slug_of(record.data["name"])
    if not slug:
        raise ApiError(422, "Validation failed: Slug can't be blank")
    if PORTALS.records(request).get(slug, record) is not record:
        raise ApiError(422, "Validation failed: Slug has already been taken")


_FIELDS = {
    "slug": Check(str, accepts=lambda value: slug_of(value) == value),
    "description": Check(str),
    "allowed_ip_addresses": Check(str, accepts=are_networks),
    "user_invokable": Check(bool, filled=True),
}

PORTALS = Collection(
    kind="portal",
    path=ORGANIZATION + "/portals",
    key="portal",
    read="read_portals",
    write="write_portals",
    render=portal,
    render_secret=_secret,
    create={
        "name": Check(str, required=True, filled=True),
        "query": Check(str, required=True, filled=True),
        **_FIELDS,
    },
    update={"name": Check(str, filled=True), "query": Check(str, filled=True), **_FIELDS},
    defaults={"slug": None, "description": None, "allowed_ip_addresses": None, "user_invokable": False},
    key_of=lambda record: record.data["slug"],
    validate=_validate,
)

ROUTES = PORTALS.routes()
