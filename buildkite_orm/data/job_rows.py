"""The rows of the jobs that are embedded in builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.data.rows import keys_of, read_columns
from buildkite_orm.data.schema import table_of
from buildkite_orm.resources.builds.job import Job
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.surrogates import is_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.data.rows import Values
    from buildkite_orm.data.schema import Table
    from buildkite_orm.resources.builds.build import Build

JOBS: Final = table_of(Job)


def job_columns(builds: Sequence[Build], table: Table = JOBS) -> list[Values]:
    """Return the columns of the jobs that are embedded in builds.

    Args:
        builds: The builds.
        table: The columns.
    """
    jobs: list[Job] = []
    given: dict[str, Values] = {name: [] for name in ("build_id", *_KEYS, "build_number")}
    for build in builds:
        embedded = as_array(getattr(build, "embedded_jobs", None)) or []
        keys, build_id = keys_of(build), build.__dict__.get("id")
        jobs += [job if isinstance(job, Job) else _unknown(job) for job in embedded]
        given["build_id"] += [build_id if isinstance(build_id, str) and is_writable(build_id) else None] * len(embedded)
        given["build_number"] += [parse_decimal(keys.get("build"))] * len(embedded)
        for name, key in _KEYS.items():
            given[name] += [keys.get(key)] * len(embedded)
    return read_columns(table, jobs, given)


_KEYS: Final = {"pipeline_slug": "pipeline", "organization_slug": "organization"}


def _unknown(value: object) -> Job:
    """Return a job for a value that is no object, so that it is kept in its row."""
    kind: Any = Job
    job: Job = kind.model_construct()
    object.__setattr__(job, "__pydantic_extra__", {"": value})
    return job
