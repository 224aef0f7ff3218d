"""The event of Package Registries."""

from __future__ import annotations

from typing import ClassVar

from buildkite_orm.resources.packages.package import Package
from buildkite_orm.webhooks.events.base import WebhookEvent


class PackageCreated(WebhookEvent):
    """A package, image, chart, model, module or file was published.

    Attributes:
        package: The package, with its registry and organization.

    Documentation: https://buildkite.com/docs/apis/webhooks/package-registries
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"package.created"})

    package: Package
