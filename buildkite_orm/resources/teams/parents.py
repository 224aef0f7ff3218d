"""Refs by where they stand: in a team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.paths import parent_path
from buildkite_orm.models.resource import Deletable
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.resources.teams.team import TeamRef


class InTeam(InOrganization, Deletable):
    """What is associated with a team."""

    @property
    def team(self) -> TeamRef:
        """The team that it is associated with."""
        from buildkite_orm.resources.teams.team import TeamRef

        return TeamRef.at(self.session, parent_path(self.api_path, 2))
