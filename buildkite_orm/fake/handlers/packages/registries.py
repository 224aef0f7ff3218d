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
    from buildkite_orm.fake.collections import Thing
    from buildkite_orm.fake.http import Call
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


def place(call: Call, registry: Thing, rest: str = "") -> Json:
    """Tell where a registry is, or what stands below it."""
    organization, below = call.organization.slug, f"registries/{registry.data['slug']}{rest}"
    return {
        "url": f"{call.view.base}/packages/organizations/{organization}/{below}",
        "web_url": f"{WEB}/organizations/{organization}/packages/{below}",
    }


def whereabouts(call: Call, registry: Thing) -> Json:
    """Tell the organization and the registry, as what is in a registry does."""
    organization = call.organization
    return {
        "organization": {
            "id": organization.id,
            "slug": organization.slug,
            "url": call.view.organization(organization),
            "web_url": f"{WEB}/{organization.slug}",
        },
        "registry": _named(call, registry),
    }


def _named(call: Call, registry: Thing) -> Json:
    identity = {"id": registry.id, "graphql_id": graphql_id("Registry", registry.id), "slug": registry.data["slug"]}
    return {**identity, **place(call, registry)}


def _registry(call: Call, thing: Thing) -> Json:
    teams = TEAMS.shelf(call)
    return {
        **_named(call, thing),
        **thing.data,
        "team_ids": [each for each in thing.data["team_ids"] if each in teams],
    }


def _settle(call: Call, thing: Thing, _body: Json) -> None:
    slug = thing.data["slug"] = slug_of(thing.data["name"])
    if REGISTRIES.shelf(call).get(slug, thing) is not thing:
        raise ApiError(422, "Validation failed: Name has already been taken")
    if "registry" not in call.arguments:
        _assign(call, thing)


def _assign(call: Call, thing: Thing) -> None:
    """Let teams use a new registry; where the organization goes by teams, some must be named."""
    teams: list[str] = thing.data["team_ids"] or []
    thing.data["team_ids"] = teams
    if call.organization.teams_enabled and not teams:
        raise InvalidError([("team_ids", "missing_field")])
    if not set(teams) <= TEAMS.shelf(call).keys():
        raise ApiError(422, "Validation failed: Teams must exist")


def _unsettle(call: Call, thing: Thing) -> None:
    for kind in ("package", "registry_token"):
        call.world.store.shelves.of(kind, thing.id).clear()


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


def of_registry(call: Call) -> str:
    """Say that things belong to the registry of the path."""
    return REGISTRIES.find(call).id


ROUTES = (
    *REGISTRIES.routes("list", "create", "get", "update"),
    route("DELETE", REGISTRY, "delete_registries", REGISTRIES.delete_one),
)
