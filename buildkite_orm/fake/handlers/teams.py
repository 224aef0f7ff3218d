"""Teams, and their members, pipelines and suites."""

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
# the first team, if the organization has none when teams are enabled
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


# -- teams


def embedded_team(record: Record) -> Json:
    """Return the payload of a team that is embedded in another."""
    return {"id": record.id, "graphql_id": graphql_id("Team", record.id), "slug": slug_of(record.data["name"])}


def _team(request: ApiRequest, record: Record) -> Json:
    return {
        **embedded_team(record),
        **record.data,
        "default": record.data["is_default_team"],
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
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


def _validate_team(request: ApiRequest, record: Record, _body: Json) -> None:
    slug = slug_of(record.data["name"])
    if any(slug == slug_of(each.data["name"]) for each in TEAMS.records(request).values() if each is not record):
        raise ApiError(422, "Validation failed: Name has already been taken")


TEAMS = Collection(
    kind="team",
    path=ORGANIZATION + "/teams",
    key="team",
    read="read_teams",
    write="write_teams",
    render=_team,
    create=_fields(required=True),
    update=_fields(required=False),
    validate=_validate_team,
)


def list_teams(request: ApiRequest) -> Reply:
    """List the teams; with `user_id`, only those that have that user as a member."""
    teams, user_id = list(TEAMS.records(request).values()), request.http.args.get("user_id")
    if user_id is not None:
        is_member = user_id in _users(request)
        teams = [each for each in teams if is_member and user_id in MEMBERS.of(request, each)]
    return TEAMS.list_response(request, teams)


def enable_teams(request: ApiRequest) -> Reply:
    """Enable teams for the organization; if it has none, create one with all members."""
    organization, teams = request.organization, TEAMS.records(request)
    require_administrator(request)
    if "teams" in organization.missing_features:
        raise ApiError(403, "Your plan doesn't include team permissions. Upgrade your plan to enable teams.")
    if not organization.teams_enabled and not teams:
        everyone = _new_record(request, EVERYONE)
        teams[everyone.id] = everyone
        for user in organization.users:
            MEMBERS.of(request, everyone)[user.id] = _new_record(request, {"user_id": user.id, "role": "member"})
    organization.teams_enabled = True
    return Reply(204)


def _new_record(request: ApiRequest, data: Json) -> Record:
    now, user = request.context.lifecycle.now, request.token.user
    return Record(id=request.context.store.ids.uuid(), data=dict(data), created_at=now, created_by=user)


# -- members, pipelines and suites of teams


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLinks(Collection):
    """The members, pipelines or suites of a team; each is named by the id of its target, in the field `key`.

    Attributes:
        targets: Returns the existing targets, by id.
    """

    targets: Callable[[ApiRequest], Mapping[str, Any]]

    def of(self, request: ApiRequest, team: Record) -> dict[str, Record]:
        """Return the links of a team, by target id."""
        return request.context.store.collections.of(self.kind, team.id)

    def records(self, request: ApiRequest) -> dict[str, Record]:
        """Return the links of the team in the path; links to deleted targets are removed."""
        links = self.of(request, TEAMS.find(request))
        for gone in links.keys() - self.targets(request).keys():
            del links[gone]
        return links

    def create_record(self, request: ApiRequest) -> Reply:
        """Link a target to the team."""
        body, links = request.body(), self.records(request)
        require_valid(body, self.create)
        noun = self.key.removesuffix("_id").capitalize()
        if body[self.key] not in self.targets(request):
            raise ApiError(422, f"Validation failed: {noun} must exist")
        if body[self.key] in links:
            raise ApiError(422, f"Validation failed: {noun} has already been taken")
        return Collection.create_record(self, request)


def _team_links(
    noun: str,
    key: str,
    checks: Json,
    targets: Callable[[ApiRequest], Mapping[str, Any]],
    extra_fields: Callable[[ApiRequest, Any], Json],
) -> TeamLinks:
    """Return one kind of links; `checks` are those of further fields, `extra_fields` returns fields of the target."""

    def render(request: ApiRequest, record: Record) -> Json:
        target = targets(request)[record.data[key]]
        return {**record.data, "created_at": request.view.time(record.created_at), **extra_fields(request, target)}

    return TeamLinks(
        kind=f"team_{noun}",
        path=f"{_TEAM}/{noun}s",
        key=key,
        read="view_teams",
        write="write_teams",
        render=render,
        create={key: Check(str, required=True, filled=True), **checks},
        update=checks,
        key_of=lambda record: record.data[key],
        targets=targets,
    )


def _users(request: ApiRequest) -> dict[str, UserRecord]:
    return {each.id: each for each in request.organization.users}


def _pipelines(request: ApiRequest) -> dict[str, PipelineRecord]:
    return {each.id: each for each in request.organization.pipelines.values()}


def _suites(request: ApiRequest) -> dict[str, Record]:
    return {each.id: each for each in request.context.store.collections.of("suite", request.organization.id).values()}


def _suite_url(request: ApiRequest, suite: Record) -> str:
    return f"{request.view.base}/analytics/organizations/{request.organization.slug}/suites/{suite.data['slug']}"


MEMBERS = _team_links(
    "member",
    "user_id",
    {"role": one_of(*_ROLES, required=True)},
    _users,
    lambda _request, user: {"user_name": user.name},
)
PIPELINES = _team_links(
    "pipeline",
    "pipeline_id",
    {"access_level": one_of(*_PIPELINE_LEVELS, required=True)},
    _pipelines,
    lambda request, pipeline: {"pipeline_url": request.view.pipeline(pipeline)},
)
SUITES = _team_links(
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


def assign(request: ApiRequest, links: TeamLinks, target: str, levels: Mapping[str, Any]) -> None:
    """Link a target to teams, by their ids, each with its access level; other links stay."""
    teams = TEAMS.records(request)
    check = links.update["access_level"]
    for team_id, level in levels.items():
        if team_id not in teams or check.problem({"access_level": level}, "access_level"):
            raise ApiError(422, "Validation failed: Teams must exist, each with an access level")
    for team_id, level in levels.items():
        links.of(request, teams[team_id])[target] = _new_record(request, {links.key: target, "access_level": level})


ROUTES = (
    route("GET", TEAMS.path, TEAMS.read, list_teams),
    route("POST", TEAMS.path + "/enable", TEAMS.write, enable_teams),
    *TEAMS.routes("create", "get", "update", "delete"),
    *MEMBERS.routes(),
    *PIPELINES.routes(),
    *SUITES.routes(),
)
