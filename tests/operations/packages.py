"""Calls of the operations on package registries, their packages and tokens."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from tests.operations.clusters import first_id

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage


def package(stage: Stage) -> Any:
    return stage.registry.package(first_id(stage.admin.registry("files").packages()))


def token(stage: Stage) -> Any:
    return stage.registry.token(first_id(stage.admin.registry("files").tokens()))


def copy_package(stage: Stage) -> object:
    other = stage.admin.registries().create(name="Other", ecosystem="files", team_ids=[stage.team_id])
    return package(stage).copy_to(other.slug)


def publish_presigned(stage: Stage) -> object:
    return stage.registry.packages().publish_presigned(BytesIO(b"hello"), filename="greeting-1.0.0.txt")


CALLS: Final[dict[str, Call]] = {
    "package_registries/packages.copy-a-package": copy_package,
    "package_registries/packages.delete-a-package": lambda s: package(s).delete(),
    "package_registries/packages.get-a-package": lambda s: package(s).fetch(),
    "package_registries/packages.list-all-packages": lambda s: s.registry.packages(name="n"),
    "package_registries/packages.publish-a-package": lambda s: s.registry.packages().publish(
        BytesIO(b"hello"), filename="greeting-1.0.0.txt"
    ),
    "package_registries/packages.request-a-presigned-upload": publish_presigned,
    "package_registries/registries.create-a-registry": lambda s: s.org.registries().create(
        name="n",
        ecosystem="ruby",
        team_ids=[s.team_id],
        description="d",
        emoji=":rocket:",
        color="#14CC80",
        oidc_policy="- iss: https://agent.buildkite.com",
    ),
    "package_registries/registries.delete-a-registry": lambda s: s.registry.delete(),
    "package_registries/registries.get-a-registry": lambda s: s.registry.fetch(),
    "package_registries/registries.list-all-registries": lambda s: s.org.registries(),
    "package_registries/registries.update-a-registry": lambda s: s.registry.update(
        name="n", description="d", oidc_policy="- iss: https://agent.buildkite.com"
    ),
    "package_registries/registry_tokens.create-a-registry-token": lambda s: s.registry.tokens().create(description="d"),
    "package_registries/registry_tokens.delete-a-registry-token": lambda s: token(s).delete(),
    "package_registries/registry_tokens.get-a-registry-token": lambda s: token(s).fetch(),
    "package_registries/registry_tokens.list-all-registry-tokens": lambda s: s.registry.tokens(),
    "package_registries/registry_tokens.update-a-registry-token": lambda s: token(s).update(description="d"),
}
