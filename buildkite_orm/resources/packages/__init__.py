"""Package registries, their tokens, and their packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.packages.package import *
    from buildkite_orm.resources.packages.registry import *
    from buildkite_orm.resources.packages.token import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
