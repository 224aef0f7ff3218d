"""The fields of an organization and a registry that packages and registry tokens contain."""

from __future__ import annotations

from buildkite_orm.models.resource import Model


class EmbeddedOrganization(Model):
    """The organization of a package or registry token."""

    id: str | None = None
    slug: str | None = None
    url: str | None = None
    web_url: str | None = None


class EmbeddedRegistry(EmbeddedOrganization):
    """The registry of a package or registry token."""

    graphql_id: str | None = None
