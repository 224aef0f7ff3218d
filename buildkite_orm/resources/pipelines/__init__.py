"""Pipelines, with their providers, schedules and templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.pipelines.github_webhooks import *
    from buildkite_orm.resources.pipelines.schedule import *
    from buildkite_orm.resources.pipelines.template import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
