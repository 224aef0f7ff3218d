"""Package registries, their tokens, and the packages that they keep."""

from __future__ import annotations

from buildkite_orm.fake.handlers.packages import packages, registries, tokens

ROUTES = (*registries.ROUTES, *tokens.ROUTES, *packages.ROUTES)
