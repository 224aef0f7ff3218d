"""What two routes reach: jobs, and what stands below them."""

from __future__ import annotations

import re

from buildkite_orm.resource import Ref

_BUILD = re.compile(r"/pipelines/[^/]+/builds/[^/]+(?=/jobs/)")


class UnderJob(Ref):
    """A job, or what stands below one: through its build, or through its organization, it is the same thing."""

    def _key(self) -> object:
        path = self._find_path()
        return None if path is None else _BUILD.sub("", path)


def organization_path(path: str) -> str:
    """Give the path of the organization that a path stands below."""
    return "/".join(path.split("/")[:2])
