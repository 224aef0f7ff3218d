"""Refs by where they stand: in an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.resource import Ref

if TYPE_CHECKING:
    from buildkite_orm.resources.organizations.organization import OrganizationRef


class InOrganization(Ref):
    """What belongs to an organization."""

    @property
    def organization(self) -> OrganizationRef:
        """The organization that it belongs to."""
        from buildkite_orm.resources.organizations.organization import OrganizationRef

        return OrganizationRef.at(self.session, organization_path(self.api_path))


def organization_path(path: str) -> str:
    """Give the path of the organization that a path stands below."""
    segments = path.split("/")
    slug = segments[segments.index("organizations") + 1]
    return f"organizations/{slug}"
