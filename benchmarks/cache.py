"""Measure what the cache saves, and what it costs: python -m benchmarks.cache (about five minutes).

python -m benchmarks.cache --quick    measure little: checks that it runs, not how fast it is
python -m benchmarks.cache --builds 100000 --bound "2 GB"    fill a cache of this size (an hour)
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.meter import peak
from benchmarks.served import Served
from buildkite_orm import Buildkite, Cache
from buildkite_orm.cache import packing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm import PipelineRef

_DAY = timedelta(days=1)
_MOST_GROWTH = 20e6
_LOGS = 200
_ROUNDS_WITHOUT_JOBS = 8  # they take a tenth of the time


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    builds: int
    jobs: int
    rounds: int
    filled: int
    bound: str


FULL = Sizes(builds=1000, jobs=20, rounds=5, filled=5000, bound="10 MB")
QUICK = Sizes(builds=100, jobs=5, rounds=1, filled=200, bound="1 MB")


@dataclass(frozen=True, slots=True)
class Row:
    """One result."""

    task: str
    limit: str
    value: str
    is_met: bool


class Bench:
    """Measures one client without a cache and others with one, alternately."""

    def __init__(self, target: dict[str, Any], sizes: Sizes, folder: Path) -> None:
        self._target = target
        self._sizes = sizes
        self._folder = folder
        self._caches = 0

    def rows(self) -> Generator[Row]:
        """Measure, and yield the rows."""
        log_size = self._log_size()
        yield self._faster("fetch one build with its jobs", 5, self._fetch_build)
        yield self._faster("list builds with their jobs, and read one field of each build", 5, self._list_builds)
        yield self._faster("the same, and the state of every job, which validates all of them", 1.5, self._list_jobs)
        yield self._faster(f"fetch a log of {log_size} kB", 20, self._fetch_log)
        yield self._writing("listing without jobs: CPU for writing", 0.10, with_jobs=False)
        if packing.library() is not zlib:
            yield self._writing("listing with jobs: CPU for writing, with the extra `cache`", 0.25, with_jobs=True)
        with patch.object(packing, "library", return_value=zlib):
            yield self._writing("listing with jobs: CPU for writing, without it", 0.25, with_jobs=True)
        yield from self._filled()

    @contextmanager
    def _web(self, cache: Cache | None) -> Generator[PipelineRef]:
        with Buildkite(self._target["token"], base_url=self._target["url"], cache=cache) as bk:
            yield bk.organization("acme").pipeline("web")

    def _new_cache(self) -> Cache:
        self._caches += 1
        return Cache(self._folder / str(self._caches), namespace="benchmark")

    def _log_size(self) -> int:
        with self._web(None) as web:
            return web.organization.pipeline("files").build(1).job(self._target["job"]).log().fetch_size() // 1000

    # -- reading

    def _faster(self, task: str, times: float, run: Callable[[PipelineRef, timedelta | None], object]) -> Row:
        cache, plain, cached = self._new_cache(), list[float](), list[float]()
        with self._web(cache) as web:
            run(web, None)
        for _ in range(self._sizes.rounds + 1):
            with self._web(None) as web:
                plain.append(_wall(partial(run, web, None)))
            with self._web(cache) as web:
                cached.append(_wall(partial(run, web, _DAY)))
        before, after = statistics.median(plain[1:]), statistics.median(cached[1:])
        ratio = before / after
        text = f"{ratio:.1f}x ({before * 1000:.1f} ms over HTTP, {after * 1000:.2f} ms from the cache)"
        return Row(task, f"at least {times} times as fast", text, ratio >= times)

    def _fetch_build(self, web: PipelineRef, max_age: timedelta | None) -> None:
        for number in range(1, 21):
            if max_age is not None:
                web.build(number).fetch(max_age=max_age)
            else:
                web.build(number).fetch()

    def _list_builds(self, web: PipelineRef, _max_age: timedelta | None) -> None:
        for build in web.builds(with_jobs=True):
            _ = build.state

    def _list_jobs(self, web: PipelineRef, _max_age: timedelta | None) -> None:
        for build in web.builds(with_jobs=True):
            for job in build.jobs():
                _ = job.state

    def _fetch_log(self, web: PipelineRef, _max_age: timedelta | None) -> None:
        build = web.organization.pipeline("files").build(1).fetch(max_age=_DAY)
        log = build.jobs()[0].log()
        for _ in range(_LOGS):
            log.fetch()

    # -- writing

    def _writing(self, task: str, share: float, *, with_jobs: bool) -> Row:
        plain, writing = list[float](), list[float]()
        for _ in range(self._sizes.rounds * (2 if with_jobs else _ROUNDS_WITHOUT_JOBS) + 1):
            with self._web(None) as web:
                web.builds().first()
                plain.append(_cpu(partial(_drain, web, with_jobs=with_jobs)))
            with self._web(self._new_cache()) as web:
                web.builds().first()  # opens the database
                writing.append(_cpu(partial(_drain, web, with_jobs=with_jobs)))
        ratios = [cost / base - 1 for base, cost in zip(plain[1:], writing[1:], strict=True)]
        found = statistics.median(ratios)
        text = f"{found:.0%} ({min(ratios):.0%} to {max(ratios):.0%}; {plain[-1]:.2f} s without)"
        return Row(task, f"at most {share:.0%}", text, found <= share)

    # -- the bound

    def _filled(self) -> Generator[Row]:
        cache = Cache(self._folder / "filled", namespace="benchmark", max_size=self._sizes.bound)
        grown, largest, count, before = 0, 0, 0, 0
        with Buildkite(self._target["token"], base_url=self._target["url"], cache=cache) as bk:
            for build in bk.organization("acme").pipeline("filled").builds(with_jobs=True):
                count += 1
                if count == self._sizes.filled // 4:
                    before = peak()
                if count % 100 == 0:
                    files = (path for path in cache.folder.rglob("*") if path.is_file())
                    largest = max(largest, sum(path.stat().st_size for path in files))
                del build
            grown = peak() - before
        allowed = cache.max_bytes + 24 * 2**20  # the write-ahead log of SQLite is beside the database
        task = f"{count} builds with {self._sizes.jobs} jobs against a bound of {self._sizes.bound}"
        yield Row(
            f"{task}: largest size on disk", "the bound, and 24 MiB", f"{largest / 1e6:.1f} MB", largest <= allowed
        )
        yield Row(f"{task}: growth of memory", "at most 20 MB", f"{grown / 1e6:.1f} MB", grown <= _MOST_GROWTH)


def _drain(web: PipelineRef, *, with_jobs: bool) -> None:
    for _ in web.builds(with_jobs=with_jobs).iterator():
        pass


def _wall(task: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    task()
    return time.perf_counter() - begun


def _cpu(task: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    task()
    return time.process_time() - begun


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure little")
    parser.add_argument("--builds", type=int, help="how many builds to fill a cache with")
    parser.add_argument("--bound", help="the bound of that cache")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    sizes = Sizes(sizes.builds, sizes.jobs, sizes.rounds, options.builds or sizes.filled, options.bound or sizes.bound)
    pipelines = {"web": (sizes.builds, sizes.jobs), "filled": (sizes.filled, sizes.jobs)}
    with Served(pipelines=pipelines, log_lines=1000) as served, tempfile.TemporaryDirectory() as folder:
        print("| task | limit | measured | |\n| --- | --- | --- | --- |")
        for row in Bench(served.target, sizes, Path(folder)).rows():
            print(f"| {row.task} | {row.limit} | {row.value} | {'met' if row.is_met else 'not met'} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
