"""Test suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers import teams
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.test_engine import things
from buildkite_orm.fake.handlers.validation import Check, are_objects, are_strings
from buildkite_orm.fake.http import ApiError, InvalidError
from buildkite_orm.fake.ids import digest, graphql_id
from buildkite_orm.fake.payloads.view import WEB

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

ANALYTICS = "/v2/analytics/organizations/{org}"
SUITE = ANALYTICS + "/suites/{suite}"

_APART = ("show_api_token", "team_ids", "teams_ids")
_LOOKS = {
    "application_name": Check(str),
    "color": Check(str),
    "emoji": Check(str),
    "oidc_policy": Check((str, list), accepts=lambda value: isinstance(value, str) or are_objects(value)),
    "show_api_token": Check(bool),
}
_TEAMS = Check(list, accepts=are_strings)


def place(request: ApiRequest, suite: Record, rest: str = "") -> Json:
    """Tell where a suite is, or what stands below it."""
    organization, below = request.organization.slug, f"suites/{suite.data['slug']}{rest}"
    return {
        "url": f"{request.view.base}/analytics/organizations/{organization}/{below}",
        "web_url": f"{WEB}/organizations/{organization}/analytics/{below}",
    }


def _suite(request: ApiRequest, thing: Record) -> Json:
    data = thing.data
    return {
        "id": thing.id,
        "graphql_id": graphql_id("Suite", thing.id),
        "organization_id": request.organization.id,
        "slug": data["slug"],
        "name": data["name"],
        **place(request, thing),
        "default_branch": data["default_branch"],
        "application_name": data["application_name"],
        "color": data["color"],
        "emoji": data["emoji"],
        **_api_token(request, thing),
        "oidc_policy": data["oidc_policy"],
    }


def _api_token(request: ApiRequest, thing: Record) -> Json:
    """Tell a suite's token to whoever asks for it and may have it."""
    if not request.flag("show_api_token") and not request.body().get("show_api_token"):
        return {}
    if "write_suites" not in request.token.scopes:
        raise ApiError(403, "You do not have permission to view the suite's API token")
    return {"api_token": digest("suite", thing.id)[:24]}


def _settle(request: ApiRequest, thing: Record, body: Json) -> None:
    for name in _APART:
        thing.data.pop(name, None)
    if "slug" not in thing.data:
        thing.data["slug"] = things.free_slug(thing.data["name"], SUITES.shelf(request))
        _assign(request, thing, body)


def _assign(request: ApiRequest, thing: Record, body: Json) -> None:
    """Tie a new suite to teams, where the organization goes by teams."""
    if not request.organization.teams_enabled:
        return
    named = body.get("team_ids") or body.get("teams_ids")  # the documentation has both names
    if not named:
        raise InvalidError([("team_ids", "missing_field")])
    teams.assign(request, teams.SUITES, thing.id, {each: ["read", "edit"] for each in named})


SUITES = Collection(
    kind="suite",
    path=ANALYTICS + "/suites",
    key="suite",
    read="read_suites",
    write="write_suites",
    tell=_suite,
    create={
        "name": Check(str, required=True, filled=True),
        "default_branch": Check(str, required=True, filled=True),
        **_LOOKS,
        "team_ids": _TEAMS,
        "teams_ids": _TEAMS,
    },
    update={"name": Check(str, filled=True), "default_branch": Check(str, filled=True), **_LOOKS},
    defaults=things.SUITE,
    identify=lambda thing: thing.data["slug"],
    settle=_settle,
)


def of_suite(request: ApiRequest) -> str:
    """Say that things belong to the suite of the path."""
    return SUITES.find(request).id


ROUTES = SUITES.routes()
