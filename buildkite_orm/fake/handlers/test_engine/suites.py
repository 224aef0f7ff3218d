"""Test suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers import teams
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.test_engine import records
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

_SPECIAL_FIELDS = ("show_api_token", "team_ids", "teams_ids")
_LOOKS = {
    "application_name": Check(str),
    "color": Check(str),
    "emoji": Check(str),
    "oidc_policy": Check((str, list), accepts=lambda value: isinstance(value, str) or are_objects(value)),
    "show_api_token": Check(bool),
}
_TEAMS = Check(list, accepts=are_strings)


def place(request: ApiRequest, suite: Record, rest: str = "") -> Json:
    """Return the URLs of a suite, or of a path below it."""
    organization, below = request.organization.slug, f"suites/{suite.data['slug']}{rest}"
    return {
        "url": f"{request.view.base}/analytics/organizations/{organization}/{below}",
        "web_url": f"{WEB}/organizations/{organization}/analytics/{below}",
    }


def _suite(request: ApiRequest, record: Record) -> Json:
    data = record.data
    return {
        "id": record.id,
        "graphql_id": graphql_id("Suite", record.id),
        "organization_id": request.organization.id,
        "slug": data["slug"],
        "name": data["name"],
        **place(request, record),
        "default_branch": data["default_branch"],
        "application_name": data["application_name"],
        "color": data["color"],
        "emoji": data["emoji"],
        **_api_token(request, record),
        "oidc_policy": data["oidc_policy"],
    }


def _api_token(request: ApiRequest, record: Record) -> Json:
    """Return a suite's API token if it is requested; raise a 403 if the token lacks the scope."""
    if not request.flag("show_api_token") and not request.body().get("show_api_token"):
        return {}
    if "write_suites" not in request.token.scopes:
        raise ApiError(403, "You do not have permission to view the suite's API token")
    return {"api_token": digest("suite", record.id)[:24]}


def _validate(request: ApiRequest, record: Record, body: Json) -> None:
    for name in _SPECIAL_FIELDS:
        record.data.pop(name, None)
    if "slug" not in record.data:
        record.data["slug"] = records.free_slug(record.data["name"], SUITES.records(request))
        _assign(request, record, body)


def _assign(request: ApiRequest, record: Record, body: Json) -> None:
    """Link a new suite to teams, if teams are enabled."""
    if not request.organization.teams_enabled:
        return
    named = body.get("team_ids") or body.get("teams_ids")  # the documentation uses both names
    if not named:
        raise InvalidError([("team_ids", "missing_field")])
    teams.assign(request, teams.SUITES, record.id, {each: ["read", "edit"] for each in named})


SUITES = Collection(
    kind="suite",
    path=ANALYTICS + "/suites",
    key="suite",
    read="read_suites",
    write="write_suites",
    render=_suite,
    create={
        "name": Check(str, required=True, filled=True),
        "default_branch": Check(str, required=True, filled=True),
        **_LOOKS,
        "team_ids": _TEAMS,
        "teams_ids": _TEAMS,
    },
    update={"name": Check(str, filled=True), "default_branch": Check(str, filled=True), **_LOOKS},
    defaults=records.SUITE,
    key_of=lambda record: record.data["slug"],
    validate=_validate,
)


def suite_id_of(request: ApiRequest) -> str:
    """Return the id of the suite in the path."""
    return SUITES.find(request).id


ROUTES = SUITES.routes()
