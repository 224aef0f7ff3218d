"""Package registries: their tokens, and the packages that they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.resources.packages.package import (
        Package,
        PackageDigests,
        PackageFilters,
        PackageQuerySet,
        PackageRef,
        PresignedForm,
        PresignedUpload,
    )
    from buildkite_orm.resources.packages.registry import (
        Registry,
        RegistryChanges,
        RegistryOptions,
        RegistryQuerySet,
        RegistryRef,
    )
    from buildkite_orm.resources.packages.token import (
        RegistryToken,
        RegistryTokenChanges,
        RegistryTokenQuerySet,
        RegistryTokenRef,
    )

__all__ = [
    "Package",
    "PackageDigests",
    "PackageFilters",
    "PackageQuerySet",
    "PackageRef",
    "PresignedForm",
    "PresignedUpload",
    "Registry",
    "RegistryChanges",
    "RegistryOptions",
    "RegistryQuerySet",
    "RegistryRef",
    "RegistryToken",
    "RegistryTokenChanges",
    "RegistryTokenQuerySet",
    "RegistryTokenRef",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "package": (
            "Package",
            "PackageDigests",
            "PackageFilters",
            "PackageQuerySet",
            "PackageRef",
            "PresignedForm",
            "PresignedUpload",
        ),
        "registry": ("Registry", "RegistryChanges", "RegistryOptions", "RegistryQuerySet", "RegistryRef"),
        "token": ("RegistryToken", "RegistryTokenChanges", "RegistryTokenQuerySet", "RegistryTokenRef"),
    },
)
