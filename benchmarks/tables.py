"""Measure the time and the memory of tables: Arrow, Parquet and DuckDB, compared with objects and with pandas.

    python -m benchmarks.tables                    100,000 builds: about five minutes
    python -m benchmarks.tables --builds 20000     fewer

Each task runs in a process of its own, against one fake server in another process, which sends the same bytes to all of
them. Memory is what the peak of the process grows by after a small task of the same kind. If a limit is exceeded, the
exit code is 1. Needs pyarrow, duckdb and pandas: `pip install -e '.[check]'`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests

from benchmarks.meter import peak, timed
from benchmarks.served import Served
from buildkite_orm import Buildkite
from buildkite_orm.utils.json_types import as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkite_orm import PipelineBuildQuerySet

Target = dict[str, Any]
Costs = dict[str, Any]

WARM_UP: Final = 1_000
WARM_UP_OF_JOBS: Final = 6_000  # of three pages of builds
MB: Final = 1_000_000
JOBS_PER_BUILD: Final = 20
_SMALLEST_ROW_GROUP: Final = 50_000


def _builds(target: Target, count: int, **filters: Any) -> PipelineBuildQuerySet:
    slug = "with-jobs" if filters else "builds"
    return Buildkite(target["token"], base_url=target["url"]).organization("acme").pipeline(slug).builds(
        **filters).limit(count)  # fmt: skip


def iterate(target: Target, count: int) -> None:
    """Iterate over the objects."""
    for _ in _builds(target, count).iterator():
        pass


def arrow_batches(target: Target, count: int) -> None:
    """Read all batches."""
    pa: Any = import_module("pyarrow")  # other tasks must not import it
    for _ in pa.RecordBatchReader.from_stream(_builds(target, count).arrow()):
        pass


def arrow_table(target: Target, count: int) -> Any:
    """Load a table."""
    pa: Any = import_module("pyarrow")
    return pa.table(_builds(target, count).arrow())


def arrow_to_pandas(target: Target, count: int) -> Any:
    """Load a table, and convert it to pandas."""
    return arrow_table(target, count).to_pandas()


def dump_to_pandas(target: Target, count: int) -> Any:
    """Load the dumps of the objects into pandas."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(build.dump() for build in _builds(target, count).iterator())


def rows_to_pandas(target: Target, count: int) -> Any:
    """Load the rows into pandas."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(_builds(target, count).rows())


def json_normalize(target: Target, count: int) -> Any:
    """Load the payloads, as a plain script does, and flatten them with pandas."""
    import pandas as pd  # noqa: PLC0415

    payloads: list[Any] = []
    url = f"{target['url']}/v2/organizations/acme/pipelines/builds/builds?per_page=100&exclude_jobs=true"
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {target['token']}"
        for page in range(1, -(-count // 100) + 1):
            payloads += http.get(f"{url}&exclude_pipeline=true&page={page}", timeout=60).json()
    return pd.json_normalize(payloads)


def parquet(target: Target, count: int) -> Costs:
    """Write a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = _builds(target, count).arrow().to_parquet(Path(folder) / "builds.parquet")
        return {"smallest": _smallest_group(path), "size": path.stat().st_size}


def duckdb(target: Target, count: int) -> Costs:
    """Write a DuckDB database."""
    with tempfile.TemporaryDirectory() as folder:
        path = _builds(target, count).arrow().to_duckdb(Path(folder) / "builds.duckdb")
        return {"size": path.stat().st_size}


def iterate_jobs(target: Target, count: int) -> None:
    """Iterate over the builds and their jobs."""
    for build in _builds(target, count // JOBS_PER_BUILD, with_jobs=True).iterator():
        for _ in build.jobs():
            pass


def both_parquet(target: Target, count: int) -> Costs:
    """Write builds and jobs into Parquet files, in one pass."""
    with tempfile.TemporaryDirectory() as folder:
        builds = _builds(target, count // JOBS_PER_BUILD, with_jobs=True)
        _, jobs = builds.tables().to_parquet(folder)
        return {"smallest": _smallest_group(jobs), "size": jobs.stat().st_size}


def both_duckdb(target: Target, count: int) -> Costs:
    """Write builds and jobs into a DuckDB database, in one pass."""
    with tempfile.TemporaryDirectory() as folder:
        builds = _builds(target, count // JOBS_PER_BUILD, with_jobs=True)
        return {"size": builds.tables().to_duckdb(Path(folder) / "acme.duckdb").stat().st_size}


def dlt_batches(target: Target, count: int) -> None:
    """Load the batches into DuckDB with dlt, merged by id as the source of this library does."""
    pa: Any = import_module("pyarrow")
    stream = _builds(target, count).arrow()
    _load_with_dlt(lambda: (pa.Table.from_batches([batch]) for batch in pa.RecordBatchReader.from_stream(stream)))


def dlt_dictionaries(target: Target, count: int) -> None:
    """Load the rows into DuckDB with dlt, as dictionaries."""
    _load_with_dlt(lambda: _builds(target, count).rows())


def _load_with_dlt(data: Callable[[], Iterable[Any]]) -> None:
    dlt: Any = import_module("dlt")
    with tempfile.TemporaryDirectory() as folder:
        resource = dlt.resource(data, name="builds", write_disposition="merge", primary_key="id")
        database = dlt.destinations.duckdb(str(Path(folder) / "builds.duckdb"))
        dlt.pipeline("benchmark", pipelines_dir=folder, destination=database, dataset_name="acme").run(resource)


def _smallest_group(path: Path) -> int:
    """Return the number of rows of the smallest row group but the last; of the only one, if there is one."""
    file: Any = import_module("pyarrow.parquet").ParquetFile(path)
    rows: list[int] = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    return min(rows[:-1] or rows)


TASKS: Final[dict[str, Callable[[Target, int], Any]]] = {
    task.__name__: task
    for task in (
        iterate,
        arrow_batches,
        arrow_table,
        arrow_to_pandas,
        rows_to_pandas,
        dump_to_pandas,
        json_normalize,
        parquet,
        duckdb,
        iterate_jobs,
        both_parquet,
        both_duckdb,
        dlt_batches,
        dlt_dictionaries,
    )
}


_WITH_JOBS: Final = frozenset({"iterate_jobs", "both_parquet", "both_duckdb"})


@dataclass(frozen=True)
class Limit:
    """A limit of the ratio of two costs, or of one.

    Attributes:
        task: The task that is limited.
        cost: `cpu` or `wall` in seconds, or `grown` in bytes.
        most: The limit.
        of: The task whose cost is 1; None for a limit in megabytes.
    """

    task: str
    cost: str
    most: float
    of: str | None = None

    def value(self, costs: dict[str, Costs]) -> float:
        """Return the measured value."""
        unit = MB if self.of is None else costs[self.of][self.cost]
        value: float = costs[self.task][self.cost] / unit
        return value

    def __str__(self) -> str:
        unit = "MB" if self.of is None else f"of {self.of}"
        return f"{self.task}, {self.cost}: at most {self.most:g} {unit}"


LIMITS: Final = (
    Limit("arrow_batches", "cpu", 2.6, "iterate"),
    Limit("parquet", "grown", 50),
    Limit("duckdb", "grown", 50),
    Limit("both_parquet", "grown", 50),
    Limit("both_duckdb", "grown", 50),
    Limit("arrow_table", "cpu", 0.5, "dump_to_pandas"),
    Limit("arrow_table", "grown", 0.5, "dump_to_pandas"),
    Limit("arrow_table", "cpu", 1.0, "json_normalize"),
    Limit("arrow_table", "grown", 0.5, "json_normalize"),
    Limit("dlt_batches", "cpu", 0.2, "dlt_dictionaries"),
)


def run(name: str, target: Target, count: int) -> Costs:
    """Run a task in this process, after a small one; return its costs."""
    kept = TASKS[name](target, WARM_UP_OF_JOBS if name in _WITH_JOBS else WARM_UP)
    del kept
    before = peak()
    results: list[Any] = []
    costs = timed(lambda: results.append(TASKS[name](target, count)))
    details = as_object(results[0]) or {}
    return costs | {"grown": peak() - before} | details


def measure(names: list[str], builds: int, runs: int) -> dict[str, Costs]:
    """Run tasks alternately, each in a process of its own; return the medians of their costs."""
    data = {"pipelines": {"builds": (builds, 0), "with-jobs": (builds // JOBS_PER_BUILD, JOBS_PER_BUILD)}}
    found: dict[str, list[Costs]] = {name: [] for name in names}
    with Served(**data) as server:
        for _ in range(runs):
            for name in names:
                command = [sys.executable, "-m", "benchmarks.tables", "--task", name, json.dumps(server.target)]
                done = subprocess.run(  # noqa: S603 - this program
                    [*command, "--builds", str(builds)], stdout=subprocess.PIPE, check=True, text=True
                )
                found[name].append(json.loads(done.stdout))
    return {name: {kind: statistics.median(each[kind] for each in costs) for kind in costs[0]}
            for name, costs in found.items()}  # fmt: skip


def main() -> int:
    """Measure, print the costs and the limits, and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--builds", type=int, default=100_000, help="builds, or jobs of a twentieth as many builds")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS), metavar="TASK")
    parser.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        name, target = options.task
        print(json.dumps(run(name, json.loads(target), options.builds)))
        return 0
    costs = measure(options.only, options.builds, options.runs)
    for name, each in costs.items():
        figures = f"CPU {each['cpu']:.1f} s, wall {each['wall']:.1f} s, grown by {each['grown'] / MB:.1f} MB"
        rest = "".join(f", {kind} {each[kind]:,.0f}" for kind in each.keys() - {"cpu", "wall", "grown"})
        print(f"{name}: {figures}{rest}")
    met = True
    for limit in LIMITS:
        if limit.task in costs and (limit.of is None or limit.of in costs):
            value = limit.value(costs)
            met = met and value <= limit.most
            print(f"{'met' if value <= limit.most else 'NOT MET'}: {limit}: {value:.2f}")
    groups = {name: each["smallest"] for name, each in costs.items() if "smallest" in each}
    met = met and all(rows >= min(_SMALLEST_ROW_GROUP, options.builds) for rows in groups.values())
    print(f"smallest row groups: {groups}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
