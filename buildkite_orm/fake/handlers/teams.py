"""Teams, and what ties them to users, pipelines and suites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Thing
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import Check, one_of, require_administrator, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id, slug_of
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.fake.http import Call
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


def embedded_team(thing: Thing) -> Json:
    """Tell a team where something names it."""
    return {"id": thing.id, "graphql_id": graphql_id("Team", thing.id), "slug": slug_of(thing.data["name"])}


def _team(call: Call, thing: Thing) -> Json:
    return {
        **embedded_team(thing),
        **thing.data,
        "default": thing.data["is_default_team"],
        "created_at": call.view.time(thing.created_at),
        "created_by": user_or_none(call.view, thing.created_by),
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


def _settle_team(call: Call, thing: Thing, _body: Json) -> None:
    slug = slug_of(thing.data["name"])
    if any(slug == slug_of(each.data["name"]) for each in TEAMS.shelf(call).values() if each is not thing):
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


def list_teams(call: Call) -> Reply:
    """List the teams; only those that have a user as a member where one is named."""
    teams, user_id = list(TEAMS.shelf(call).values()), call.request.args.get("user_id")
    if user_id is not None:
        is_member = user_id in _users(call)
        teams = [each for each in teams if is_member and user_id in MEMBERS.of(call, each)]
    return TEAMS.listed(call, teams)


def enable_teams(call: Call) -> Reply:
    """Have the organization go by teams; where there are none, the first is one of all members."""
    organization, teams = call.organization, TEAMS.shelf(call)
    require_administrator(call)
    if "teams" in organization.plan_lacks:
        raise ApiError(403, "Your plan doesn't include team permissions. Upgrade your plan to enable teams.")
    if not organization.teams_enabled and not teams:
        everyone = _made(call, EVERYONE)
        teams[everyone.id] = everyone
        for user in organization.users:
            MEMBERS.of(call, everyone)[user.id] = _made(call, {"user_id": user.id, "role": "member"})
    organization.teams_enabled = True
    return Reply(204)


def _made(call: Call, data: Json) -> Thing:
    now, user = call.world.lifecycle.now, call.token.user
    return Thing(id=call.world.store.ids.uuid(), data=dict(data), created_at=now, created_by=user)


# -- what they are tied to


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties(Collection):
    """What ties a team to things that are elsewhere, each named by the id of its thing, which is the field `key`.

    Attributes:
        targets: Gives the things that there are, by their ids.
    """

    targets: Callable[[Call], Mapping[str, Any]]

    def of(self, call: Call, team: Thing) -> dict[str, Thing]:
        """Give those of a team."""
        return call.world.store.shelves.of(self.kind, team.id)

    def shelf(self, call: Call) -> dict[str, Thing]:
        """Give those of the team in the path; what tied it to something that is gone is gone too."""
        ties = self.of(call, TEAMS.find(call))
        for gone in ties.keys() - self.targets(call).keys():
            del ties[gone]
        return ties

    def create_one(self, call: Call) -> Reply:
        """Tie one to the team."""
        body, ties = call.body(), self.shelf(call)
        require_valid(body, self.create)
        noun = self.key.removesuffix("_id").capitalize()
        if body[self.key] not in self.targets(call):
            raise ApiError(422, f"Validation failed: {noun} must exist")
        if body[self.key] in ties:
            raise ApiError(422, f"Validation failed: {noun} has already been taken")
        return Collection.create_one(self, call)


def _ties(
    noun: str, key: str, said: Json, targets: Callable[[Call], Mapping[str, Any]], more: Callable[[Call, Any], Json]
) -> Ties:
    """Make the ties of one kind: `said` is what a body says of one, `more` is told of the thing beyond its id."""

    def tell(call: Call, thing: Thing) -> Json:
        target = targets(call)[thing.data[key]]
        return {**thing.data, "created_at": call.view.time(thing.created_at), **more(call, target)}

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


def _users(call: Call) -> dict[str, UserRecord]:
    return {each.id: each for each in call.organization.users}


def _pipelines(call: Call) -> dict[str, PipelineRecord]:
    return {each.id: each for each in call.organization.pipelines.values()}


def _suites(call: Call) -> dict[str, Thing]:
    return {each.id: each for each in call.world.store.shelves.of("suite", call.organization.id).values()}


def _suite_url(call: Call, suite: Thing) -> str:
    return f"{call.view.base}/analytics/organizations/{call.organization.slug}/suites/{suite.data['slug']}"


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
    lambda call, pipeline: {"pipeline_url": call.view.pipeline(pipeline)},
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
    lambda call, suite: {"suite_url": _suite_url(call, suite)},
)


def assign(call: Call, ties: Ties, target: str, levels: Mapping[str, Any]) -> None:
    """Tie a thing to teams, by the ids of these, each with its access level; what ties it to others stays."""
    teams = TEAMS.shelf(call)
    check = ties.update["access_level"]
    for team_id, level in levels.items():
        if team_id not in teams or check.problem({"access_level": level}, "access_level"):
            raise ApiError(422, "Validation failed: Teams must exist, each with an access level")
    for team_id, level in levels.items():
        ties.of(call, teams[team_id])[target] = _made(call, {ties.key: target, "access_level": level})


ROUTES = (
    route("GET", TEAMS.path, TEAMS.read, list_teams),
    route("POST", TEAMS.path + "/enable", TEAMS.write, enable_teams),
    *TEAMS.routes("create", "get", "update", "delete"),
    *MEMBERS.routes(),
    *PIPELINES.routes(),
    *SUITES.routes(),
)
