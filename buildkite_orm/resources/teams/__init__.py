"""Teams: who belongs to them, and what they may reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.resources.teams.member import TeamMember, TeamMemberChanges, TeamMemberQuerySet, TeamMemberRef
    from buildkite_orm.resources.teams.pipeline import (
        PipelineAccessLevel,
        TeamPipeline,
        TeamPipelineChanges,
        TeamPipelineQuerySet,
        TeamPipelineRef,
    )
    from buildkite_orm.resources.teams.suite import (
        SuiteAccessLevel,
        TeamSuite,
        TeamSuiteChanges,
        TeamSuiteQuerySet,
        TeamSuiteRef,
    )
    from buildkite_orm.resources.teams.team import (
        Team,
        TeamChanges,
        TeamFilters,
        TeamPermissions,
        TeamPrivacy,
        TeamQuerySet,
        TeamRef,
        TeamRole,
    )

__all__ = [
    "PipelineAccessLevel",
    "SuiteAccessLevel",
    "Team",
    "TeamChanges",
    "TeamFilters",
    "TeamMember",
    "TeamMemberChanges",
    "TeamMemberQuerySet",
    "TeamMemberRef",
    "TeamPermissions",
    "TeamPipeline",
    "TeamPipelineChanges",
    "TeamPipelineQuerySet",
    "TeamPipelineRef",
    "TeamPrivacy",
    "TeamQuerySet",
    "TeamRef",
    "TeamRole",
    "TeamSuite",
    "TeamSuiteChanges",
    "TeamSuiteQuerySet",
    "TeamSuiteRef",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "member": ("TeamMember", "TeamMemberChanges", "TeamMemberQuerySet", "TeamMemberRef"),
        "pipeline": (
            "PipelineAccessLevel",
            "TeamPipeline",
            "TeamPipelineChanges",
            "TeamPipelineQuerySet",
            "TeamPipelineRef",
        ),
        "suite": ("SuiteAccessLevel", "TeamSuite", "TeamSuiteChanges", "TeamSuiteQuerySet", "TeamSuiteRef"),
        "team": (
            "Team",
            "TeamChanges",
            "TeamFilters",
            "TeamPermissions",
            "TeamPrivacy",
            "TeamQuerySet",
            "TeamRef",
            "TeamRole",
        ),
    },
)
