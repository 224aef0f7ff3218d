"""Registries themselves, and how what is in them tells of them."""

from __future__ import annotations

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

# what a new one has where nobody says anything
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
    """Tell where a registry is, or what stands below it."""
    organization, below = request.organization.slug, f"registries/{registry.data['slug']}{rest}"
    return {
        "url": f"{request.view.base}/packages/organizations/{organization}/{below}",
        "web_url": f"{WEB}/organizations/{organization}/packages/{below}",
    }


def whereabouts(request: ApiRequest, registry: Record) -> Json:
    """Tell the organization and the registry, as what is in a registry does."""
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


def _registry(request: ApiRequest, thing: Record) -> Json:
    teams = TEAMS.shelf(request)
    return {
        **_named(request, thing),
        **thing.data,
        "team_ids": [each for each in thing.data["team_ids"] if each in teams],
    }


def _settle(request: ApiRequest, thing: Record, _body: Json) -> None:
    slug = thing.data["slug"] = slug_of(thing.data["name"])
    if REGISTRIES.shelf(request).get(slug, thing) is not thing:
        raise ApiError(422, "Validation failed: Name has already been taken")
    if "registry" not in request.arguments:
        _assign(request, thing)


def _assign(request: ApiRequest, thing: Record) -> None:
    """Let teams use a new registry; where the organization goes by teams, some must be named."""
    teams: list[str] = thing.data["team_ids"] or []
    thing.data["team_ids"] = teams
    if request.organization.teams_enabled and not teams:
        raise InvalidError([("team_ids", "missing_field")])
    if not set(teams) <= TEAMS.shelf(request).keys():
        raise ApiError(422, "Validation failed: Teams must exist")


def _unsettle(request: ApiRequest, thing: Record) -> None:
    for kind in ("package", "registry_token"):
        request.context.store.shelves.of(kind, thing.id).clear()


_DETAILS = {"description": Check(str), "oidc_policy": Check((str, list), accepts=is_policy)}
REGISTRIES = Collection(
    kind="registry",
    path=_REGISTRIES,
    key="registry",
    read="read_registries",
    write="write_registries",
    tell=_registry,
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
    identify=lambda thing: thing.data["slug"],
    settle=_settle,
    unsettle=_unsettle,
    paging="array",
    statuses={"create": 200, "delete": 200},
    methods=("POST", "PATCH", "PUT"),
)


def of_registry(request: ApiRequest) -> str:
    """Say that things belong to the registry of the path."""
    return REGISTRIES.find(request).id


ROUTES = (
    *REGISTRIES.routes("list", "create", "get", "update"),
    route("DELETE", REGISTRY, "delete_registries", REGISTRIES.delete_one),
)
