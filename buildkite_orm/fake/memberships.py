"""The teams of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import slug_of

if TYPE_CHECKING:
    from buildkite_orm.fake.records import OrganizationRecord


def teams_of(organization: OrganizationRecord, user_id: str) -> dict[str, str]:
    """Return the teams that a user is a member of: their slugs, by id."""
    collections = organization.collections
    return {
        team.id: slug_of(str(team.data["name"]))
        for team in collections.of("team", organization.id).values()
        if user_id in collections.of("team_member", team.id)
    }
