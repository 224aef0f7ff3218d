"""Test Engine: suites, their runs, and their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.test_engine.run import *
    from buildkite_orm.resources.test_engine.suite import *
    from buildkite_orm.resources.test_engine.test import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
