"""Calls of the operations on teams, their members, pipelines and suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage

TEAM: Final[Any] = {
    "name": "New",
    "description": "d",
    "privacy": "visible",
    "is_default_team": False,
    "default_member_role": "member",
    "members_can_create_pipelines": True,
    "members_can_create_suites": True,
    "members_can_create_registries": True,
    "members_can_destroy_registries": True,
    "members_can_destroy_packages": True,
}


def new_team(stage: Stage) -> Any:
    """Return a ref of a team that has nothing yet."""
    return stage.org.team(str(stage.admin.teams().create(**TEAM).id))


def member(stage: Stage) -> Any:
    (first, *_) = stage.admin.team(stage.team_id).members()
    return stage.org.team(stage.team_id).member(first.user_id)


def pipeline(stage: Stage) -> Any:
    (first, *_) = stage.admin.team(stage.team_id).pipelines()
    return stage.org.team(stage.team_id).pipeline(first.pipeline_id)


def suite(stage: Stage) -> Any:
    (first, *_) = stage.admin.team(stage.team_id).suites()
    return stage.org.team(stage.team_id).suite(first.suite_id)


def create_team_pipeline(stage: Stage) -> object:
    pipeline_id = stage.server.store.organizations["acme"].pipelines["web"].id
    return new_team(stage).pipelines().create(pipeline_id=pipeline_id, access_level="read_only")


def create_team_suite(stage: Stage) -> object:
    return new_team(stage).suites().create(suite_id=stage.admin.suite("rspec").fetch().id, access_level=["read"])


CALLS: Final[dict[str, Call]] = {
    "teams.create-a-team": lambda s: s.org.teams().create(**TEAM),
    "teams.delete-a-team": lambda s: new_team(s).delete(),
    "teams.enable-teams": lambda s: s.org.teams().enable(),
    "teams.get-a-team": lambda s: s.org.team(s.team_id).fetch(),
    "teams.list-teams": lambda s: s.org.teams(user_id=s.user_id),
    "teams.update-a-team": lambda s: s.org.team(s.team_id).update(**TEAM),
    "teams/members.create-a-team-member": lambda s: new_team(s).members().create(user_id=s.user_id, role="member"),
    "teams/members.delete-a-team-member": lambda s: member(s).delete(),
    "teams/members.get-a-team-member": lambda s: member(s).fetch(),
    "teams/members.list-team-members": lambda s: s.org.team(s.team_id).members(),
    "teams/members.update-a-team-member": lambda s: member(s).update(role="maintainer"),
    "teams/pipelines.create-a-team-pipeline": create_team_pipeline,
    "teams/pipelines.delete-a-team-pipeline": lambda s: pipeline(s).delete(),
    "teams/pipelines.get-a-team-pipeline": lambda s: pipeline(s).fetch(),
    "teams/pipelines.list-team-pipelines": lambda s: s.org.team(s.team_id).pipelines(),
    "teams/pipelines.update-a-team-pipeline": lambda s: pipeline(s).update(access_level="read_only"),
    "teams/suites.create-a-team-suite": create_team_suite,
    "teams/suites.delete-a-team-suite": lambda s: suite(s).delete(),
    "teams/suites.get-a-team-suite": lambda s: suite(s).fetch(),
    "teams/suites.list-team-suites": lambda s: s.org.team(s.team_id).suites(),
    "teams/suites.update-a-team-suite": lambda s: suite(s).update(access_level=["read"]),
}
