"""Teams, and what ties them to users, pipelines and suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.seeds import teams as seed
from buildkite_orm.fake.seeds import test_engine
from buildkite_orm.resources.teams.member import TeamMember
from buildkite_orm.resources.teams.pipeline import PipelineAccessLevel, TeamPipeline
from buildkite_orm.resources.teams.suite import SuiteAccessLevel, TeamSuite
from buildkite_orm.resources.teams.team import Team, TeamPrivacy, TeamRole

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

TEAMS = "/v2/organizations/acme/teams"
BACKENDERS: dict[str, Any] = {
    "name": "Barefoot Backenders",
    "description": "Backend engineers",
    "privacy": "secret",
    "is_default_team": False,
    "default_member_role": "member",
    "members_can_create_pipelines": True,
    "members_can_create_suites": True,
    "members_can_create_registries": True,
    "members_can_destroy_registries": False,
    "members_can_destroy_packages": False,
}


@pytest.fixture
def team(bk: Buildkite) -> Team:
    """A team without members."""
    return bk.organization("acme").teams().create(**BACKENDERS)


# -- teams themselves


def test_a_team_is_created_with_all_required_fields(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        team = bk.organization("acme").teams().create(**BACKENDERS)
    assert sent() == (f"POST {TEAMS}", BACKENDERS)
    assert (team.name, team.slug, team.default) == ("Barefoot Backenders", "barefoot-backenders", False)
    assert team.privacy is TeamPrivacy.SECRET
    assert team.default_member_role is TeamRole.MEMBER
    assert team.created_by is not None
    assert repr(team) == "Team(Barefoot Backenders, secret)"


@pytest.mark.parametrize("missing", BACKENDERS)
def test_missing_required_fields_are_refused(bk: Buildkite, missing: str) -> None:
    fields = {name: value for name, value in BACKENDERS.items() if name != missing}
    with pytest.raises((TypeError, UnprocessableEntityError), match=missing):
        bk.organization("acme").teams().create(**fields)
    assert not bk.organization("acme").teams()


def test_teams_are_listed_and_got(bk: Buildkite, team: Team, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    with costs(2):
        assert list(org.teams()) == [team]
        assert org.team(str(team.id)).fetch() == team
    assert sent() == (f"GET {TEAMS}/{team.id}", None)
    assert team.organization == org


def test_the_teams_of_a_user_are_listed(bk: Buildkite, server: FakeBuildkite, team: Team, sent: Sent) -> None:
    user = server.add_user("Grace Hopper", "grace@acme.example")
    teams = bk.organization("acme").teams()
    assert list(teams.filter(user_id=user.id)) == []
    team.members().create(user_id=user.id, role="member")
    assert list(bk.organization("acme").teams(user_id=user.id)) == [team]
    assert sent()[0] == f"GET {TEAMS}?user_id={user.id}&per_page=100"
    server.store.organizations["acme"].users.remove(user)
    assert not teams.filter(user_id=user.id)


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No team found"):
        bk.organization("acme").team("0191").fetch()
    with pytest.raises(NotFoundError, match="No team found"):
        list(bk.organization("acme").team("0191").members())


@pytest.mark.parametrize("value", [None, "", "For the back"])
def test_unset_null_and_empty_are_distinguished(team: Team, sent: Sent, value: str | None) -> None:
    team.description = value
    team.save()
    assert sent() == (f"PATCH {TEAMS}/{team.id}", {"description": value})
    assert (team.description, team.name) == (value, "Barefoot Backenders")


def test_false_is_sent(team: Team, sent: Sent) -> None:
    team.is_default_team = False
    team.members_can_create_pipelines = False
    team.save()
    assert sent()[1] == {"members_can_create_pipelines": False}


def test_everything_can_be_updated(team: Team, sent: Sent, costs: Costs) -> None:
    changes: dict[str, Any] = {
        name: not value if isinstance(value, bool) else value for name, value in BACKENDERS.items()
    }
    changes |= {"name": "Backenders V2!", "privacy": TeamPrivacy.VISIBLE, "default_member_role": TeamRole.MAINTAINER}
    with costs(1):
        assert team.update(**changes) is team
    assert sent() == (f"PATCH {TEAMS}/{team.id}", changes)
    assert (team.slug, team.default, team.members_can_destroy_packages) == ("backenders-v2", True, True)


def test_a_value_that_is_not_accepted_changes_nothing(bk: Buildkite, team: Team) -> None:
    others: dict[str, Any] = {**BACKENDERS, "name": "Frontenders"}
    bk.organization("acme").teams().create(**others)
    with pytest.raises(UnprocessableEntityError, match="already been taken"):
        team.update(name="frontenders")
    with pytest.raises(UnprocessableEntityError, match="Validation Failed"):
        team.update(privacy=TeamPrivacy("public"))
    assert team.reload().name == "Barefoot Backenders"


def test_an_object_without_an_id_has_the_path_of_its_request(bk: Buildkite, server: FakeBuildkite, team: Team) -> None:
    # the documentation shows updates whose responses contain the fields sent, and nothing else
    path = team.api_path
    server.settings.drift = lambda _payload: BACKENDERS
    assert bk.organization("acme").team(str(team.id)).update(name="Barefoot Backenders").api_path == path
    team.description = "New"
    assert team.save().api_path == path
    server.settings.drift = None
    assert team.reload().description == "New"


def test_a_team_is_deleted(bk: Buildkite, team: Team, sent: Sent) -> None:
    team.delete()
    assert sent() == (f"DELETE {TEAMS}/{team.id}", None)
    assert team not in bk.organization("acme").teams()


def test_teams_are_enabled_once(bk: Buildkite, server: FakeBuildkite, sent: Sent, costs: Costs) -> None:
    server.add_user("Grace Hopper", "grace@acme.example")
    teams = bk.organization("acme").teams()
    with costs(1):
        teams.enable()
    assert sent() == (f"POST {TEAMS}/enable", None)
    everyone = teams.one()
    assert (everyone.name, everyone.default) == ("Everyone", True)
    assert [member.user_name for member in everyone.members()] == ["Ada Lovelace", "Grace Hopper"]
    everyone.delete()
    teams.enable()
    assert not teams.fresh()


def test_enabling_needs_a_plan_that_has_teams(bk: Buildkite, server: FakeBuildkite) -> None:
    server.store.organizations["acme"].missing_features.add("teams")
    with pytest.raises(PermissionDeniedError, match="plan doesn't include team permissions"):
        bk.organization("acme").teams().enable()


def test_enabling_needs_an_administrator(server: FakeBuildkite) -> None:
    token = server.make_token("write_teams", user=server.add_user("Grace Hopper", "grace@acme.example"))
    with server.client(token=token) as bk, pytest.raises(PermissionDeniedError, match="administrator"):
        bk.organization("acme").teams().enable()


# -- members


def test_a_member_is_created_listed_and_got(server: FakeBuildkite, team: Team, sent: Sent, costs: Costs) -> None:
    user = server.add_user("Grace Hopper", "grace@acme.example")
    with costs(3):
        member = team.members().create(user_id=user.id, role="maintainer")
        assert sent() == (f"POST {TEAMS}/{team.id}/members", {"user_id": user.id, "role": "maintainer"})
        assert list(team.members()) == [member]
        assert team.member(user.id).fetch() == member
    assert sent() == (f"GET {TEAMS}/{team.id}/members/{user.id}", None)
    assert isinstance(member, TeamMember)
    assert (member.user_name, member.role, member.user_id) == ("Grace Hopper", TeamRole.MAINTAINER, user.id)
    assert repr(member) == "TeamMember(Grace Hopper, maintainer)"
    assert member.team == team


def test_a_member_is_updated_and_deleted(server: FakeBuildkite, team: Team, sent: Sent) -> None:
    user = server.add_user("Grace Hopper", "grace@acme.example")
    member = team.members().create(user_id=user.id, role=TeamRole.MEMBER)
    assert member.update(role="maintainer") is member
    assert sent() == (f"PATCH {TEAMS}/{team.id}/members/{user.id}", {"role": "maintainer"})
    member.role = TeamRole.MEMBER
    assert member.save().role == "member"
    member.delete()
    assert sent() == (f"DELETE {TEAMS}/{team.id}/members/{user.id}", None)
    with pytest.raises(NotFoundError, match="No team member found"):
        member.reload()


def test_a_member_must_be_a_user_once_and_in_a_role(server: FakeBuildkite, team: Team) -> None:
    user = server.add_user("Grace Hopper", "grace@acme.example")
    with pytest.raises(UnprocessableEntityError, match="User must exist"):
        team.members().create(user_id="0191", role="member")
    member = team.members().create(user_id=user.id, role="member")
    with pytest.raises(UnprocessableEntityError, match="already been taken"):
        team.members().create(user_id=user.id, role="member")
    with pytest.raises(UnprocessableEntityError, match="Validation Failed"):
        member.update(role=TeamRole("owner"))


# -- pipelines


def test_a_pipeline_is_created_listed_and_got(
    bk: Buildkite, server: FakeBuildkite, team: Team, sent: Sent, costs: Costs
) -> None:
    web = server.add_pipeline("web")
    path = f"{TEAMS}/{team.id}/pipelines"
    with costs(3):
        tie = team.pipelines().create(pipeline_id=web.id, access_level="read_only")
        assert sent() == (f"POST {path}", {"pipeline_id": web.id, "access_level": "read_only"})
        assert list(team.pipelines()) == [tie]
        assert team.pipeline(web.id).fetch() == tie
    assert sent() == (f"GET {path}/{web.id}", None)
    assert isinstance(tie, TeamPipeline)
    assert (tie.access_level, tie.pipeline_id) == (PipelineAccessLevel.READ_ONLY, web.id)
    assert tie.pipeline == bk.organization("acme").pipeline("web")
    assert tie.team == team


def test_a_pipeline_is_updated_and_deleted(server: FakeBuildkite, team: Team, sent: Sent) -> None:
    web = server.add_pipeline("web")
    tie = team.pipelines().create(pipeline_id=web.id, access_level=PipelineAccessLevel.READ_ONLY)
    assert tie.update(access_level="build_and_read") is tie
    assert sent() == (f"PATCH {TEAMS}/{team.id}/pipelines/{web.id}", {"access_level": "build_and_read"})
    with pytest.raises(UnprocessableEntityError, match="Validation Failed"):
        tie.update(access_level=PipelineAccessLevel("everything"))
    tie.delete()
    assert sent() == (f"DELETE {TEAMS}/{team.id}/pipelines/{web.id}", None)
    with pytest.raises(NotFoundError, match="No team pipeline found"):
        tie.reload()


def test_a_pipeline_that_is_updated_with_its_teams_shows_there(
    bk: Buildkite, server: FakeBuildkite, team: Team
) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web")
    pipeline.update(teams={str(team.id): "build_and_read"})
    assert team.pipelines().one().access_level == "build_and_read"
    for teams in ({str(team.id): "everything"}, {"0191": "read_only"}):
        with pytest.raises(UnprocessableEntityError, match="Teams must exist"):
            pipeline.update(teams=teams)


def test_a_deleted_pipeline_is_removed_from_its_teams(server: FakeBuildkite, team: Team) -> None:
    web = server.add_pipeline("web")
    team.pipelines().create(pipeline_id=web.id, access_level="read_only")
    del server.store.organizations["acme"].pipelines["web"]
    assert not team.pipelines()
    with pytest.raises(UnprocessableEntityError, match="Pipeline must exist"):
        team.pipelines().create(pipeline_id=web.id, access_level="read_only")


# -- suites


@pytest.fixture
def suite(server: FakeBuildkite) -> Record:
    """A test suite."""
    store, acme = server.store, server.store.organizations["acme"]
    record = Record(id=store.ids.uuid(), data={"slug": "suite-dreams"}, created_at=0.0)
    return store.collections.put("suite", acme.id, "suite-dreams", record)


def test_a_suite_is_created_listed_and_got(bk: Buildkite, suite: Record, team: Team, sent: Sent, costs: Costs) -> None:
    path = f"{TEAMS}/{team.id}/suites"
    with costs(3):
        tie = team.suites().create(suite_id=suite.id, access_level=["read", SuiteAccessLevel.EDIT])
        assert sent() == (f"POST {path}", {"suite_id": suite.id, "access_level": ["read", "edit"]})
        assert list(team.suites()) == [tie]
        assert team.suite(suite.id).fetch() == tie
    assert sent() == (f"GET {path}/{suite.id}", None)
    assert isinstance(tie, TeamSuite)
    assert tie.access_level == [SuiteAccessLevel.READ, SuiteAccessLevel.EDIT]
    assert tie.suite == bk.organization("acme").suite("suite-dreams")
    assert tie.team == team


def test_a_suite_is_updated_and_deleted(suite: Record, team: Team, sent: Sent) -> None:
    tie = team.suites().create(suite_id=suite.id, access_level=["read"])
    assert tie.update(access_level=["edit", "read"]) is tie
    assert sent() == (f"PATCH {TEAMS}/{team.id}/suites/{suite.id}", {"access_level": ["edit", "read"]})
    tie.access_level.remove(SuiteAccessLevel.EDIT)
    assert tie.save().access_level == ["read"]
    with pytest.raises(UnprocessableEntityError, match="Validation Failed"):
        tie.update(access_level=[])
    tie.delete()
    assert sent() == (f"DELETE {TEAMS}/{team.id}/suites/{suite.id}", None)
    with pytest.raises(NotFoundError, match="No team suite found"):
        tie.reload()


def test_a_suite_must_be_one(team: Team) -> None:
    with pytest.raises(UnprocessableEntityError, match="Suite must exist"):
        team.suites().create(suite_id="0191", access_level=["read"])


# -- all of them


@pytest.mark.parametrize("scopes", [("read_teams",), ("view_teams", "write_teams")])
def test_each_needs_its_scope(server: FakeBuildkite, team: Team, scopes: tuple[str, ...]) -> None:
    with server.client(token=server.make_token(*scopes)) as bk:
        ref = bk.organization("acme").team(str(team.id))
        operations = {"read_teams": ref.fetch, "view_teams": lambda: list(ref.members()), "write_teams": ref.delete}
        for scope in scopes:
            operations.pop(scope)()
        for scope, operation in operations.items():
            with pytest.raises(PermissionDeniedError, match=scope):
                operation()


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client() as bk:
        acme = server.store.organizations["acme"]
        if not server.store.collections.of("team", acme.id):
            test_engine.populate(server.context, acme)
            seed.populate(server.context, acme)
        everyone, frontenders, _ = bk.organization("acme").teams()
        assert len(list(everyone.members())) == len(acme.users)
        assert {tie.pipeline.fetch().slug for tie in frontenders.pipelines()} == {"web", "docs"}
        assert {tie.suite.fetch().name for tie in frontenders.suites()} == {"RSpec", "Jest"}


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    examples(Team, *(f"teams/{name}" for name in ("list-teams", "get-a-team", "create-a-team", "update-a-team")))
    for what, model in (("member", TeamMember), ("pipeline", TeamPipeline), ("suite", TeamSuite)):
        folder = f"teams/{what}s"
        examples(model, *(f"{folder}/{verb}-a-team-{what}" for verb in ("get", "create", "update")))
        examples(model, f"{folder}/list-team-{what}s")
