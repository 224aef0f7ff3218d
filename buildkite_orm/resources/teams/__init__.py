"""Teams, their members, and the pipelines and test suites that they can access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.teams.member import *
    from buildkite_orm.resources.teams.pipeline import *
    from buildkite_orm.resources.teams.suite import *
    from buildkite_orm.resources.teams.team import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
