"""The rows of the table of benchmarks: how each is measured, and its limit."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import buildkite_orm
from benchmarks.meter import timed
from benchmarks.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Costs = dict[str, Any]

_MB: Final = 1_000_000
_WINDOW: Final = 60.0
_USER_LIMIT: Final = 50
_COLD_OURS: Final = """
import os
from buildkite_orm import Buildkite
bk = Buildkite(os.environ["BENCHMARK_TOKEN"], base_url=os.environ["BENCHMARK_URL"])
print(bk.organization("acme").pipeline("files").build(1).fetch().state)
"""
_COLD_PEER: Final = """
import os
from pybuildkite.buildkite import Buildkite
bk = Buildkite()
bk.base_url = os.environ["BENCHMARK_URL"] + "/v2/"
bk.set_access_token(os.environ["BENCHMARK_TOKEN"])
print(bk.builds().get_build_by_number("acme", "files", 1)["state"])
"""
# The cost of any client that uses these two libraries: their imports, one model, one request.
_COLD_FLOOR: Final = """
import os
import requests
from pydantic import create_model
headers = {"Authorization": f"Bearer {os.environ['BENCHMARK_TOKEN']}"}
url = os.environ["BENCHMARK_URL"] + "/v2/organizations/acme/pipelines/files/builds/1"
model = create_model("Build", state=(str, ...))
print(model.model_validate_json(requests.get(url, headers=headers).content).state)
"""
_FLOOR: Final = "pydantic, with a model of one field"
_TO_A_REF: Final = "from buildkite_orm import Buildkite as B; B('bkua').organization('acme').pipeline('web').build(1)"
IMPORTS: Final = {
    "the interpreter": "pass",
    "requests": "import requests",
    _FLOOR: "import requests; from pydantic import create_model; create_model('One', field=(int, 0))",
    "the client, up to the ref of a build": _TO_A_REF,
    "builds with their jobs": f"{_TO_A_REF}; from buildkite_orm import Build",
}


@dataclass(frozen=True)
class Size:
    """How much to measure."""

    runs: int
    scan: int
    drain: int
    drain_latency: float
    loop: int
    stream: int
    many: int
    many_latency: float
    rounds: int
    times: int
    budget: bool


FULL: Final = Size(3, 10_000, 5_000, 0.1, 100_000, 1 << 30, 200, 0.05, 15, 100, budget=True)
QUICK: Final = Size(1, 200, 500, 0.02, 1_000, 8 << 20, 8, 0.01, 2, 5, budget=False)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        task: What was done.
        requirement: The limit in words.
        value: The measured value.
        limit: The highest value that is allowed.
        details: The numbers from which the value was computed.
        unit: The unit of `value`.
        spread: The lowest and the highest value, if there were several runs.
    """

    task: str
    requirement: str
    value: float
    limit: float
    details: str
    unit: str = "x"
    spread: tuple[float, float] | None = None

    @property
    def is_met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit


@dataclass
class Bench:
    """One run of all benchmarks.

    Attributes:
        separate: Whether each task runs in a process of its own. If not, memory is not measured.
        notes: Sentences to print below the table.
        target: The URL, token and objects of the fake server.
    """

    size: Size
    separate: bool = True
    notes: list[str] = field(default_factory=list[str])
    target: Costs = field(default_factory=dict[str, "Any"])

    def rows(self) -> Iterator[Row]:
        """Measure and yield the rows. The wait for real rate limits runs concurrently with the rest."""
        size = self.size
        data = {
            "pipelines": {"scan": (size.scan, 20), "drain": (size.drain, 0), "loop": (size.loop, 0)},
            "artifacts": [size.stream, _MB],
        }
        budget = ThreadPoolExecutor(1).submit(self._budget) if size.budget else None
        with Served(**data) as server:
            self.target = server.target | {"loop": size.loop, "rounds": size.rounds, "times": size.times}
            self._time_pages()
            yield from self._parse()
            yield from self._request()
            yield from self._cold()
            yield from self._scan()
            yield from self._loop()
            yield from self._stream()
            server.change(latency=size.drain_latency)
            yield from self._drain()
        yield from self._many()
        if budget is not None:
            yield budget.result()

    def _time_pages(self) -> None:
        costs = self._do("page_times")
        self.notes.append(
            f"The fake takes {costs['full'] * 1000:.0f} ms for a page of 100 builds with 20 jobs each, and "
            f"{costs['bare'] * 1000:.0f} ms for one without jobs. The wall times of both sides include that."
        )

    def _parse(self) -> Iterator[Row]:
        costs = self._do("parse_ratios")
        times = [f"{name} {costs[f'{name}_cpu'] * 1000:.1f} ms" for name in ("ours", "bare", "json", "orjson")
                  if f"{name}_cpu" in costs]  # fmt: skip
        names = "; ".join(times).replace("json ", "json.loads ").replace("orjson.loads", "orjson")
        task, requirement = (
            "parse, validate and bind a page of 100 builds with 20 jobs",
            "CPU at most 1.15 of bare pydantic",
        )
        yield Row(task, requirement, costs["ours_cpu_ratio"], 1.15, names)

    def _request(self) -> Iterator[Row]:
        costs = self._do("request_ratios")
        both = f"CPU {costs['ours_cpu'] * 1e6:.0f} / {costs['bare_cpu'] * 1e6:.0f} us"
        wall = f"wall {costs['ours_wall'] * 1e6:.0f} / {costs['bare_wall'] * 1e6:.0f} us"
        task = "a request on a warm connection, to a typed build"
        requirement = "at most 1.15 of a bare requests.Session with .json()"
        yield Row(f"{task}: CPU", requirement, costs["ours_cpu_ratio"], 1.15, both)
        yield Row(f"{task}: wall", requirement, costs["ours_wall_ratio"], 1.15, wall)

    def _cold(self) -> Iterator[Row]:
        compileall.compile_dir(Path(buildkite_orm.__file__).parent, quiet=1)  # as pip does, which installs it
        scripts = {"ours": _COLD_OURS, "floor": _COLD_FLOOR, "peer": _COLD_PEER}
        rounds = [
            {name: self._start(script) for name, script in scripts.items()} for _ in range(2 * self.size.runs - 1)
        ]
        task = "first object from a cold interpreter: whole process"
        requirement = "CPU at most 1.2 of requests and pydantic with one model, which any such client loads"
        yield self._ratio(
            task, requirement, 1.2, [{"ours": each["ours"], "peer": each["floor"]} for each in rounds], "cpu"
        )
        if self.separate:
            starts = [{name: self._start(script)["cpu"] for name, script in IMPORTS.items()} for _ in rounds]
            so_far = {name: statistics.median(start[name] for start in starts) * 1000 for name in IMPORTS}
            imports = ", ".join(f"{name} {cpu:.0f} ms" for name, cpu in so_far.items())
            peer = statistics.median(each["peer"]["cpu"] for each in rounds) * 1000
            self.notes.append(
                f"CPU time of a cold start, cumulative: {imports}. A whole run with pybuildkite takes {peer:.0f} ms; "
                "requests and pydantic, which this library needs, take "
                f"{so_far[_FLOOR] / peer:.2f} times as long before the first request. "
                "Modules load at their first use, tenacity after the first failed request."
            )

    def _start(self, script: str) -> Costs:
        """Run a script in a new interpreter."""
        environment: dict[str, str] = {"BENCHMARK_TOKEN": self.target["token"], "BENCHMARK_URL": self.target["url"]}
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-c", script]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | environment)  # noqa: S603 - our own script
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": time.perf_counter() - wall, "cpu": cpu}

    def _scan(self) -> Iterator[Row]:
        rounds = self._rounds("scan_ours", "scan_peer", runs=min(self.size.runs, 3))
        ours, peer = self._do("scan_ours", count=True), self._do("scan_peer", count=True)
        task = f"scan {self.size.scan:,} builds of 20 jobs: three fields of each"
        yield self._ratio(f"{task}: wall", "at most 1/10 of pybuildkite's", 0.1, rounds, "wall")
        received = self._ratio(f"{task}: bytes", "at most 1/20", 0.05, [{"ours": ours, "peer": peer}], "received")
        yield replace(received, details=f"{received.details}; {ours['requests']} / {peer['requests']} requests")
        gzip = (
            f"gzip accepted in {ours['gzip']} of {ours['requests']}; pybuildkite has {peer['handshakes']} connections"
        )
        yield Row("the same: connections of one thread", "one", ours["handshakes"], 1, gzip, unit="")
        jobs = self._rounds("jobs_ours", "jobs_peer", runs=min(self.size.runs, 3))
        count = self._do("jobs_ours", count=True)
        pages = -(-self.size.scan // 100)
        requirement = "client CPU at most 1.5 of pybuildkite's plain dictionaries"
        yield self._ratio("the same with every job, typed: CPU", requirement, 1.5, jobs, "cpu")
        yield Row("the same: requests", "at most 2 % more than pages", count["requests"] / pages, 1.02,
                  f"{count['requests']} for {pages} pages")  # fmt: skip

    def _loop(self) -> Iterator[Row]:
        runs = [self._do("loop_ours") for _ in range(min(self.size.runs, 3))]
        costs = {kind: statistics.median(run[kind] for run in runs) for kind in runs[0]}
        task = f"loop over {self.size.loop:,} builds"
        yield Row(
            f"{task}: peak growth", "at most 20 MB", costs["grown"] / _MB, 20, f"{costs['wall']:.1f} s", unit=" MB"
        )
        slower = [run["last_to_first"] for run in runs]
        requirement, cpu = "constant: the last tenth at most 1.1 of the first", f"CPU {costs['cpu']:.1f} s in total"
        yield Row(
            f"{task}: CPU per build",
            requirement,
            statistics.median(slower),
            1.1,
            cpu,
            spread=(min(slower), max(slower)),
        )

    def _stream(self) -> Iterator[Row]:
        rounds = self._rounds("save_ours", "save_bare")
        task = f"an artifact of {self.size.stream >> 20} MiB to disk, size and SHA-1 checked"
        requirement = "at most 1.0 of a plain loop over requests that checks the SHA-1"
        yield self._ratio(f"{task}: wall", requirement, 1.0, rounds, "wall")
        grown = statistics.median(each["ours"]["grown"] for each in rounds)
        yield Row(f"{task}: peak growth", "at most 8 MB", grown / _MB, 8, "after a small one", unit=" MB")
        megabytes = range(self.size.stream // _MB)
        took = timed(lambda: [hashlib.sha1(bytes(_MB)) for _ in megabytes])["cpu"]  # noqa: S324 - the API has SHA-1
        self.notes.append(
            f"SHA-1 of {self.size.stream >> 20} MiB alone takes {took:.2f} s. A second thread computes it during the "
            "download. That adds no time if a core is free in addition to those of client and server. "
            "Neither side waits for the disk (fsync)."
        )

    def _drain(self) -> Iterator[Row]:
        rounds = self._rounds("drain_ours", "drain_peer", runs=min(self.size.runs, 3))
        ours = self._do("drain_ours", count=True)
        task = f"drain {self.size.drain // 100} pages at {self.size.drain_latency * 1000:.0f} ms a page: wall"
        yield self._ratio(task, "at most 1/5 of pybuildkite's", 0.2, rounds, "wall")
        details = f"{ours['requests']} requests"
        yield Row("the same: connections", "one per thread (8, and the first)", ours["handshakes"], 9, details, unit="")

    def _many(self) -> Iterator[Row]:
        size = self.size
        with Served(artifacts=[_MB] * size.many, settings={"latency": size.many_latency}) as server:
            self.target = server.target
            rounds = self._rounds("many_ours", "many_in_order", runs=1)
        task = f"{size.many} artifacts of 1 MB at {size.many_latency * 1000:.0f} ms each: wall"
        yield self._ratio(task, "at most 1/5 of in order", 0.2, rounds, "wall")

    def _budget(self) -> Row:
        """Measure with real rate-limit windows. It waits nearly all the time, so it runs concurrently with the rest."""
        limits = {"organization_limit": 200, "user_limit": _USER_LIMIT, "rate_window": _WINDOW, "latency": 0.05}
        with Served(artifacts=[_MB] * self.size.many, settings=limits) as server:
            wall = self._do("many_ours", target=server.target)["wall"]
        requests = self.size.many + 2  # two pages list them
        allowed = (-(-requests // _USER_LIMIT) - 1) * _WINDOW
        details = f"{wall:.1f} s where {requests} requests at {_USER_LIMIT} a minute need {allowed:.0f} s"
        return Row("the same within the real rate limit", "within 2 %", wall / allowed, 1.02, details)

    # -- how to measure

    def _rounds(self, ours: str, peer: str, *, runs: int | None = None) -> list[dict[str, Costs]]:
        """Run both alternately, so that other load on the machine affects both."""
        return [{"ours": self._do(ours), "peer": self._do(peer)} for _ in range(runs or self.size.runs)]

    def _do(self, name: str, *, count: bool = False, target: Costs | None = None) -> Costs:
        target = target or self.target
        if not self.separate:
            from benchmarks.work import run  # noqa: PLC0415

            return run(name, target, count=count)
        command = [sys.executable, "-m", "benchmarks.work", name, json.dumps(target), *["--count"] * count]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - this program
        costs: Costs = json.loads(done.stdout)
        return costs

    def _ratio(self, task: str, requirement: str, limit: float, rounds: list[dict[str, Costs]], kind: str) -> Row:
        """Return the row that compares the two sides, round by round."""
        ratios = [each["ours"][kind] / each["peer"][kind] for each in rounds]
        ours, peer = (statistics.median(each[side][kind] for each in rounds) for side in ("ours", "peer"))
        show: Callable[[float], str] = (
            (lambda x: f"{x / _MB:.2f} MB") if kind == "received" else (lambda x: f"{x:.2f} s")
        )
        others = [f"{name} {_side(rounds, 'ours', name)} / {_side(rounds, 'peer', name)} s"
                  for name in ("cpu", "wall") if name != kind and name in rounds[0]["ours"]]  # fmt: skip
        if self.separate and "peak" in rounds[0]["ours"]:
            peaks = [statistics.median(each[side]["peak"] for each in rounds) / _MB for side in ("ours", "peer")]
            others.append(f"peak memory {peaks[0]:.0f} / {peaks[1]:.0f} MB")
        details = "; ".join([f"{show(ours)} / {show(peer)}", *others])
        return Row(task, requirement, statistics.median(ratios), limit, details, spread=(min(ratios), max(ratios)))


def _side(rounds: list[dict[str, Costs]], side: str, kind: str) -> str:
    return f"{statistics.median(each[side][kind] for each in rounds):.2f}"
