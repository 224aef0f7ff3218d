"""Registries, and the fields that their contents share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.teams import TEAMS
from buildkite_orm.fake.handlers.validation import Check, are_strings, is_color, is_policy
from buildkite_orm.fake.http import ApiError, InvalidError
from buildkite_orm.fake.ids import graphql_id, slug_of
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

# the fields of a new registry
NEW_REGISTRY: Json = {
    "slug": None,
    "description": None,
    "emoji": None,
    "color": None,
    "public": False,
    "oidc_policy": None,
    "team_ids": [],
}
_REGISTRIES = "/v2/packages/organizations/{org}/registries"
REGISTRY = _REGISTRIES + "/{registry}"


def place(request: ApiRequest, registry: Record, rest: str = "") -> Json:
    """Return the URLs of a registry, or of a path below it."""
    organization, below = request.organization.slug, f"registries/{registry.data['slug']}{rest}"
    return {
        "url": f"{request.view.base}/packages/organizations/{organization}/{below}",
        "web_url": f"{WEB}/organizations/{organization}/packages/{below}",
    }


def parent_fields(request: ApiRequest, registry: Record) -> Json:
    """Return the organization and the registry, which the contents of a registry embed."""
    organization = request.organization
    return {
        "organization": {
            "id": organization.id,
            "slug": organization.slug,
            "url": request.view.organization(organization),
            "web_url": f"{WEB}/{organization.slug}",
        },
        "registry": _named(request, registry),
    }


def _named(request: ApiRequest, registry: Record) -> Json:
    identity = {"id": registry.id, "graphql_id": graphql_id("Registry", registry.id), "slug": registry.data["slug"]}
    return {**identity, **place(request, registry)}


def _registry(request: ApiRequest, record: Record) -> Json:
    teams = TEAMS.records(request)
    return {
        **_named(request, record),
        **record.data,
        "oidc_policy": _policy_text(record.data["oidc_policy"]),
        "team_ids": [each for each in record.data["team_ids"] if each in teams],
    }


def _policy_text(policy: str | list[Json] | None) -> str | None:
    """Return a policy as text, as the API does in both cases; JSON is YAML too."""
    return policy if policy is None or isinstance(policy, str) else json.dumps(policy)


def _validate(request: ApiRequest, record: Record, _body: Json) -> None:
    slug = record.data["slug"] = slug_of(record.data["name"])
    if REGISTRIES.records(request).get(slug, record) is not record:
        raise ApiError(422, "Validation failed: Name has already been taken")
    if "registry" not in request.arguments:
        _assign(request, record)


def _assign(request: ApiRequest, record: Record) -> None:
    """Assign a new registry to teams; required if teams are enabled."""
    teams: list[str] = record.data["team_ids"] or []
    record.data["team_ids"] = teams
    if request.organization.teams_enabled and not teams:
        raise InvalidError([("team_ids", "missing_field")])
    if not set(teams) <= TEAMS.records(request).keys():
        raise ApiError(422, "Validation failed: Teams must exist")


def _before_delete(request: ApiRequest, record: Record) -> None:
    for kind in ("package", "registry_token"):
        request.context.store.collections.of(kind, record.id).clear()


_DETAILS = {"description": Check(str), "oidc_policy": Check((str, list), accepts=is_policy)}
REGISTRIES = Collection(
    kind="registry",
    path=_REGISTRIES,
    key="registry",
    read="read_registries",
    write="write_registries",
    render=_registry,
    create={
        "name": Check(str, required=True, filled=True, accepts=lambda value: bool(slug_of(value))),
        "ecosystem": Check(str, required=True, filled=True),
        "team_ids": Check(list, accepts=are_strings),
        "emoji": Check(str),
        "color": Check(str, accepts=is_color),
        **_DETAILS,
    },
    update={"name": Check(str, filled=True, accepts=lambda value: bool(slug_of(value))), **_DETAILS},
    defaults=NEW_REGISTRY,
    key_of=lambda record: record.data["slug"],
    validate=_validate,
    before_delete=_before_delete,
    paging="array",
    statuses={"create": 200, "delete": 200},
    methods=("POST", "PATCH", "PUT"),
)


def registry_id_of(request: ApiRequest) -> str:
    """Return the id of the registry in the path."""
    return REGISTRIES.find(request).id


ROUTES = (
    *REGISTRIES.routes("list", "create", "get", "update"),
    route("DELETE", REGISTRY, "delete_registries", REGISTRIES.delete_record),
)
