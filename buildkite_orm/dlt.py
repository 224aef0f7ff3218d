"""A source for dlt: the builds and jobs of an organization in a warehouse, kept up to date (extra `dlt`).

import dlt
from buildkite_orm.dlt import buildkite_source

dlt.pipeline("ci", destination="duckdb").run(buildkite_source("acme"))
"""

from __future__ import annotations

from buildkite_orm.data.dlt import buildkite_source

__all__ = ["buildkite_source"]
