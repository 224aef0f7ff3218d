"""Refs by where they stand: in a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.resources.test_engine.suite import SuiteRef


class InSuite(InOrganization):
    """What belongs to a test suite."""

    @property
    def suite(self) -> SuiteRef:
        """The suite that it belongs to."""
        from buildkite_orm.resources.test_engine.suite import SuiteRef

        return SuiteRef.at(self.session, suite_path(self.api_path))


def suite_path(path: str) -> str:
    """Give the path of the suite that a path stands below."""
    segments = path.split("/")
    return "/".join(segments[: segments.index("suites") + 2])
