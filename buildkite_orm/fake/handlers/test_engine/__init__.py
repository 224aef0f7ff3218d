"""Test Engine: suites, their runs, and their tests."""

from __future__ import annotations

from buildkite_orm.fake.handlers.test_engine import runs, suites, tests

ROUTES = (*suites.ROUTES, *runs.ROUTES, *tests.ROUTES)
