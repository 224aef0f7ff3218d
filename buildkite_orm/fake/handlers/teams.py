"""Teams, and what ties them to users, pipelines and suites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import Check, one_of, require_administrator, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id, slug_of
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json, PipelineRecord, UserRecord

_TEAM = ORGANIZATION + "/teams/{team}"
_ROLES = ("member", "maintainer")
_PIPELINE_LEVELS = ("read_only", "build_and_read", "manage_build_and_read")
_SUITE_LEVELS = ("read", "edit")
# what the first team is, unless somebody makes it
EVERYONE: Json = {
    "name": "Everyone",
    "description": "All members of the organization",
    "privacy": "visible",
    "is_default_team": True,
    "default_member_role": "member",
    "members_can_create_pipelines": True,
    "members_can_create_suites": True,
    "members_can_create_registries": False,
    "members_can_destroy_registries": False,
    "members_can_destroy_packages": False,
}


# -- teams themselves


def embedded_team(thing: Record) -> Json:
    """Tell a team where something names it."""
    return {"id": thing.id, "graphql_id": graphql_id("Team", thing.id), "slug": slug_of(thing.data["name"])}


def _team(request: ApiRequest, thing: Record) -> Json:
    return {
        **embedded_team(thing),
        **thing.data,
        "default": thing.data["is_default_team"],
        "created_at": request.view.time(thing.created_at),
        "created_by": user_or_none(request.view, thing.created_by),
    }


def _fields(*, required: bool) -> dict[str, Check]:
    flags = [name for name, value in EVERYONE.items() if isinstance(value, bool)]
    return {
        "name": Check(str, required=required, filled=True),
        "description": Check(str, required=required),
        "privacy": one_of("visible", "secret", required=required),
        "default_member_role": one_of(*_ROLES, required=required),
        **{name: Check(bool, required=required, filled=True) for name in flags},
    }


def _settle_team(request: ApiRequest, thing: Record, _body: Json) -> None:
    slug = slug_of(thing.data["name"])
    if any(slug == slug_of(each.data["name"]) for each in TEAMS.shelf(request).values() if each is not thing):
        raise ApiError(422, "Validation failed: Name has already been taken")


TEAMS = Collection(
    kind="team",
    path=ORGANIZATION + "/teams",
    key="team",
    read="read_teams",
    write="write_teams",
    tell=_team,
    create=_fields(required=True),
    update=_fields(required=False),
    settle=_settle_team,
)


def list_teams(request: ApiRequest) -> Reply:
    """List the teams; only those that have a user as a member where one is named."""
    teams, user_id = list(TEAMS.shelf(request).values()), request.http.args.get("user_id")
    if user_id is not None:
        is_member = user_id in _users(request)
        teams = [each for each in teams if is_member and user_id in MEMBERS.of(request, each)]
    return TEAMS.listed(request, teams)


def enable_teams(request: ApiRequest) -> Reply:
    """Have the organization go by teams; where there are none, the first is one of all members."""
    organization, teams = request.organization, TEAMS.shelf(request)
    require_administrator(request)
    if "teams" in organization.plan_lacks:
        raise ApiError(403, "Your plan doesn't include team permissions. Upgrade your plan to enable teams.")
    if not organization.teams_enabled and not teams:
        everyone = _made(request, EVERYONE)
        teams[everyone.id] = everyone
        for user in organization.users:
            MEMBERS.of(request, everyone)[user.id] = _made(request, {"user_id": user.id, "role": "member"})
    organization.teams_enabled = True
    return Reply(204)


def _made(request: ApiRequest, data: Json) -> Record:
    now, user = request.context.lifecycle.now, request.token.user
    return Record(id=request.context.store.ids.uuid(), data=dict(data), created_at=now, created_by=user)


# -- what they are tied to


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties(Collection):
    """What ties a team to things that are elsewhere, each named by the id of its thing, which is the field `key`.

    Attributes:
        targets: Gives the things that there are, by their ids.
    """

    targets: Callable[[ApiRequest], Mapping[str, Any]]

    def of(self, request: ApiRequest, team: Record) -> dict[str, Record]:
        """Give those of a team."""
        return request.context.store.shelves.of(self.kind, team.id)

    def shelf(self, request: ApiRequest) -> dict[str, Record]:
        """Give those of the team in the path; what tied it to something that is gone is gone too."""
        ties = self.of(request, TEAMS.find(request))
        for gone in ties.keys() - self.targets(request).keys():
            del ties[gone]
        return ties

    def create_one(self, request: ApiRequest) -> Reply:
        """Tie one to the team."""
        body, ties = request.body(), self.shelf(request)
        require_valid(body, self.create)
        noun = self.key.removesuffix("_id").capitalize()
        if body[self.key] not in self.targets(request):
            raise ApiError(422, f"Validation failed: {noun} must exist")
        if body[self.key] in ties:
            raise ApiError(422, f"Validation failed: {noun} has already been taken")
        return Collection.create_one(self, request)


def _ties(
    noun: str,
    key: str,
    said: Json,
    targets: Callable[[ApiRequest], Mapping[str, Any]],
    more: Callable[[ApiRequest, Any], Json],
) -> Ties:
    """Make the ties of one kind: `said` is what a body says of one, `more` is told of the thing beyond its id."""

    def tell(request: ApiRequest, thing: Record) -> Json:
        target = targets(request)[thing.data[key]]
        return {**thing.data, "created_at": request.view.time(thing.created_at), **more(request, target)}

    return Ties(
        kind=f"team_{noun}",
        path=f"{_TEAM}/{noun}s",
        key=key,
        read="view_teams",
        write="write_teams",
        tell=tell,
        create={key: Check(str, required=True, filled=True), **said},
        update=said,
        identify=lambda thing: thing.data[key],
        targets=targets,
    )


def _users(request: ApiRequest) -> dict[str, UserRecord]:
    return {each.id: each for each in request.organization.users}


def _pipelines(request: ApiRequest) -> dict[str, PipelineRecord]:
    return {each.id: each for each in request.organization.pipelines.values()}


def _suites(request: ApiRequest) -> dict[str, Record]:
    return {each.id: each for each in request.context.store.shelves.of("suite", request.organization.id).values()}


def _suite_url(request: ApiRequest, suite: Record) -> str:
    return f"{request.view.base}/analytics/organizations/{request.organization.slug}/suites/{suite.data['slug']}"


MEMBERS = _ties(
    "member",
    "user_id",
    {"role": one_of(*_ROLES, required=True)},
    _users,
    lambda _call, user: {"user_name": user.name},
)
PIPELINES = _ties(
    "pipeline",
    "pipeline_id",
    {"access_level": one_of(*_PIPELINE_LEVELS, required=True)},
    _pipelines,
    lambda request, pipeline: {"pipeline_url": request.view.pipeline(pipeline)},
)
SUITES = _ties(
    "suite",
    "suite_id",
    {
        "access_level": Check(
            list, required=True, filled=True, accepts=lambda value: all(each in _SUITE_LEVELS for each in value)
        )
    },
    _suites,
    lambda request, suite: {"suite_url": _suite_url(request, suite)},
)


def assign(request: ApiRequest, ties: Ties, target: str, levels: Mapping[str, Any]) -> None:
    """Tie a thing to teams, by the ids of these, each with its access level; what ties it to others stays."""
    teams = TEAMS.shelf(request)
    check = ties.update["access_level"]
    for team_id, level in levels.items():
        if team_id not in teams or check.problem({"access_level": level}, "access_level"):
            raise ApiError(422, "Validation failed: Teams must exist, each with an access level")
    for team_id, level in levels.items():
        ties.of(request, teams[team_id])[target] = _made(request, {ties.key: target, "access_level": level})


ROUTES = (
    route("GET", TEAMS.path, TEAMS.read, list_teams),
    route("POST", TEAMS.path + "/enable", TEAMS.write, enable_teams),
    *TEAMS.routes("create", "get", "update", "delete"),
    *MEMBERS.routes(),
    *PIPELINES.routes(),
    *SUITES.routes(),
)
