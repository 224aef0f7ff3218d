"""Where things stand: in a registry; and how they tell of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.paths import parent_path
from buildkite_orm.models.resource import Deletable, Model
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.resources.packages.registry import RegistryRef


class InRegistry(InOrganization, Deletable):
    """What belongs to a registry."""

    @property
    def registry(self) -> RegistryRef:
        """The registry that it belongs to."""
        from buildkite_orm.resources.packages.registry import RegistryRef

        return RegistryRef.at(self.session, parent_path(self.api_path, 2))


class EmbeddedOrganization(Model):
    """The organization, as what is in a registry tells it."""

    id: str | None = None
    slug: str | None = None
    url: str | None = None
    web_url: str | None = None


class EmbeddedRegistry(EmbeddedOrganization):
    """The registry, as what is in it tells it."""

    graphql_id: str | None = None
