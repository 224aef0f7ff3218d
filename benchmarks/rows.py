"""The rows of the table: how each is measured, and what must hold."""

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
_USERS: Final = 50
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
# What any client of these two libraries pays: their imports, one model, one request.
_COLD_FLOOR: Final = """
import os
import requests
from pydantic import create_model
headers = {"Authorization": f"Bearer {os.environ['BENCHMARK_TOKEN']}"}
url = os.environ["BENCHMARK_URL"] + "/v2/organizations/acme/pipelines/files/builds/1"
model = create_model("Build", state=(str, ...))
print(model.model_validate_json(requests.get(url, headers=headers).content).state)
"""
_FLOOR: Final = "and pydantic, with a model of one field"
_TO_A_REF: Final = "from buildkite_orm import Buildkite as B; B('bkua').organization('acme').pipeline('web').build(1)"
IMPORTS: Final = {
    "the interpreter": "pass",
    "and requests": "import requests",
    _FLOOR: "import requests; from pydantic import create_model; create_model('One', field=(int, 0))",
    "and the client, up to the ref of a build": _TO_A_REF,
    "and builds with their jobs": f"{_TO_A_REF}; from buildkite_orm import Build",
}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

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
        work: What was done.
        must: What must hold, in words.
        value: What was measured.
        at_most: The most that it may be.
        told: The numbers behind it.
        unit: What `value` is in.
        spread: The least and the most of the runs, where there are several.
    """

    work: str
    must: str
    value: float
    at_most: float
    told: str
    unit: str = "x"
    spread: tuple[float, float] | None = None

    @property
    def is_met(self) -> bool:
        """Whether it holds."""
        return self.value <= self.at_most


@dataclass
class Bench:
    """One run over all rows.

    Attributes:
        apart: Whether each piece of work has a process of its own; else memory is not told.
        notes: What is to be said beside the table.
        place: Where the fake is that is measured against.
    """

    size: Size
    apart: bool = True
    notes: list[str] = field(default_factory=list[str])
    place: Costs = field(default_factory=dict[str, "Any"])

    def rows(self) -> Iterator[Row]:
        """Measure row by row; the wait for real request budgets goes on beside the rest."""
        size = self.size
        scene = {
            "pipelines": {"scan": (size.scan, 20), "drain": (size.drain, 0), "loop": (size.loop, 0)},
            "artifacts": [size.stream, _MB],
        }
        budget = ThreadPoolExecutor(1).submit(self._budget) if size.budget else None
        with Served(**scene) as server:
            self.place = server.place | {"loop": size.loop, "rounds": size.rounds, "times": size.times}
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
        told = self._do("page_times")
        self.notes.append(
            f"The fake takes {told['full'] * 1000:.0f} ms for a page of 100 builds with 20 jobs each, and "
            f"{told['bare'] * 1000:.0f} ms for one without jobs; that is in every wall time of both sides."
        )

    def _parse(self) -> Iterator[Row]:
        told = self._do("parse_ratios")
        beside = [f"{name} {told[f'{name}_cpu'] * 1000:.1f} ms" for name in ("ours", "bare", "json", "orjson")
                  if f"{name}_cpu" in told]  # fmt: skip
        names = "; ".join(beside).replace("json ", "json.loads ").replace("orjson.loads", "orjson")
        work, must = "parse, validate and bind a page of 100 builds with 20 jobs", "CPU at most 1.15 of bare pydantic"
        yield Row(work, must, told["ours_cpu_ratio"], 1.15, names)

    def _request(self) -> Iterator[Row]:
        told = self._do("request_ratios")
        both = f"CPU {told['ours_cpu'] * 1e6:.0f} / {told['bare_cpu'] * 1e6:.0f} us"
        wall = f"wall {told['ours_wall'] * 1e6:.0f} / {told['bare_wall'] * 1e6:.0f} us"
        work = "a request on a warm connection, to a typed build"
        must = "at most 1.15 of a bare requests.Session with .json()"
        yield Row(f"{work}: CPU", must, told["ours_cpu_ratio"], 1.15, both)
        yield Row(f"{work}: wall", must, told["ours_wall_ratio"], 1.15, wall)

    def _cold(self) -> Iterator[Row]:
        compileall.compile_dir(Path(buildkite_orm.__file__).parent, quiet=1)  # as pip does, which installs it
        scripts = {"ours": _COLD_OURS, "floor": _COLD_FLOOR, "peer": _COLD_PEER}
        rounds = [
            {name: self._start(script) for name, script in scripts.items()} for _ in range(2 * self.size.runs - 1)
        ]
        work = "first object from a cold interpreter: whole process"
        must = "CPU at most 1.2 of requests and pydantic with one model, which any such client loads"
        yield self._ratio(work, must, 1.2, [{"ours": each["ours"], "peer": each["floor"]} for each in rounds], "cpu")
        if self.apart:
            starts = [{name: self._start(script)["cpu"] for name, script in IMPORTS.items()} for _ in rounds]
            so_far = {name: statistics.median(start[name] for start in starts) * 1000 for name in IMPORTS}
            told = ", ".join(f"{name} {cpu:.0f} ms" for name, cpu in so_far.items())
            peer = statistics.median(each["peer"]["cpu"] for each in rounds) * 1000
            self.notes.append(
                f"What a cold start spends on imports, CPU so far: {told}. All of pybuildkite takes {peer:.0f} ms; "
                f"requests and pydantic, which this library needs, take {so_far[_FLOOR] / peer:.2f} of that before "
                "anything is asked. What there is loads when it is first reached, tenacity when a request has failed."
            )

    def _start(self, script: str) -> Costs:
        """Run a script in a new interpreter."""
        told: dict[str, str] = {"BENCHMARK_TOKEN": self.place["token"], "BENCHMARK_URL": self.place["url"]}
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-c", script]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | told)  # noqa: S603 - our own
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": time.perf_counter() - wall, "cpu": cpu}

    def _scan(self) -> Iterator[Row]:
        rounds = self._rounds("scan_ours", "scan_peer", runs=min(self.size.runs, 3))
        ours, peer = self._do("scan_ours", count=True), self._do("scan_peer", count=True)
        work = f"scan {self.size.scan:,} builds of 20 jobs: three fields of each"
        yield self._ratio(f"{work}: wall", "at most 1/10 of pybuildkite's", 0.1, rounds, "wall")
        received = self._ratio(f"{work}: bytes", "at most 1/20", 0.05, [{"ours": ours, "peer": peer}], "received")
        yield replace(received, told=f"{received.told}; {ours['requests']} / {peer['requests']} requests")
        gzip = (
            f"gzip asked for in {ours['gzip']} of {ours['requests']}; pybuildkite has {peer['handshakes']} handshakes"
        )
        yield Row("the same: handshakes of one thread", "one", ours["handshakes"], 1, gzip, unit="")
        jobs = self._rounds("jobs_ours", "jobs_peer", runs=min(self.size.runs, 3))
        count = self._do("jobs_ours", count=True)
        pages = -(-self.size.scan // 100)
        must = "client CPU at most 1.5 of pybuildkite's plain dictionaries"
        yield self._ratio("the same with every job, typed: CPU", must, 1.5, jobs, "cpu")
        yield Row("the same: requests", "at most 2 % more than pages", count["requests"] / pages, 1.02,
                  f"{count['requests']} for {pages} pages")  # fmt: skip

    def _loop(self) -> Iterator[Row]:
        runs = [self._do("loop_ours") for _ in range(min(self.size.runs, 3))]
        told = {kind: statistics.median(run[kind] for run in runs) for kind in runs[0]}
        work = f"loop over {self.size.loop:,} builds"
        yield Row(f"{work}: peak growth", "at most 20 MB", told["grown"] / _MB, 20, f"{told['wall']:.1f} s", unit=" MB")
        slower = [run["last_to_first"] for run in runs]
        must, cpu = "constant: the last tenth at most 1.1 of the first", f"CPU {told['cpu']:.1f} s in all"
        yield Row(
            f"{work}: CPU per build", must, statistics.median(slower), 1.1, cpu, spread=(min(slower), max(slower))
        )

    def _stream(self) -> Iterator[Row]:
        rounds = self._rounds("save_ours", "save_bare")
        work = f"an artifact of {self.size.stream >> 20} MiB to disk, size and SHA-1 checked"
        must = "at most 1.0 of a plain loop over requests that checks the SHA-1"
        yield self._ratio(f"{work}: wall", must, 1.0, rounds, "wall")
        grown = statistics.median(each["ours"]["grown"] for each in rounds)
        yield Row(f"{work}: peak growth", "at most 8 MB", grown / _MB, 8, "after a small one", unit=" MB")
        megabytes = range(self.size.stream // _MB)
        took = timed(lambda: [hashlib.sha1(bytes(_MB)) for _ in megabytes])["cpu"]  # noqa: S324 - the API's sum
        self.notes.append(
            f"Of a saved {self.size.stream >> 20} MiB, SHA-1 alone takes {took:.2f} s. A second thread makes it while "
            "the file loads; that takes no longer only where a core is free beside those of the client and the fake. "
            "Neither side waits for the disk (fsync)."
        )

    def _drain(self) -> Iterator[Row]:
        rounds = self._rounds("drain_ours", "drain_peer", runs=min(self.size.runs, 3))
        ours = self._do("drain_ours", count=True)
        work = f"drain {self.size.drain // 100} pages at {self.size.drain_latency * 1000:.0f} ms a page: wall"
        yield self._ratio(work, "at most 1/5 of pybuildkite's", 0.2, rounds, "wall")
        told = f"{ours['requests']} requests"
        yield Row("the same: handshakes", "one per thread (8, and the first)", ours["handshakes"], 9, told, unit="")

    def _many(self) -> Iterator[Row]:
        size = self.size
        with Served(artifacts=[_MB] * size.many, settings={"latency": size.many_latency}) as server:
            self.place = server.place
            rounds = self._rounds("many_ours", "many_in_turn", runs=1)
        work = f"{size.many} artifacts of 1 MB at {size.many_latency * 1000:.0f} ms each: wall"
        yield self._ratio(work, "at most 1/5 of one after the other", 0.2, rounds, "wall")

    def _budget(self) -> Row:
        """Wait for real windows; that goes on beside the rest, and next to never does anything."""
        limits = {"organization_limit": 200, "user_limit": _USERS, "rate_window": _WINDOW, "latency": 0.05}
        with Served(artifacts=[_MB] * self.size.many, settings=limits) as server:
            wall = self._do("many_ours", place=server.place)["wall"]
        requests = self.size.many + 2  # two pages list them
        allowed = (-(-requests // _USERS) - 1) * _WINDOW
        told = f"{wall:.1f} s where {requests} requests at {_USERS} a minute need {allowed:.0f} s"
        return Row("the same under the real request budget", "within 2 %", wall / allowed, 1.02, told)

    # -- measuring

    def _rounds(self, ours: str, peer: str, *, runs: int | None = None) -> list[dict[str, Costs]]:
        """Do both by turns, so that what else the machine does meets both."""
        return [{"ours": self._do(ours), "peer": self._do(peer)} for _ in range(runs or self.size.runs)]

    def _do(self, name: str, *, count: bool = False, place: Costs | None = None) -> Costs:
        place = place or self.place
        if not self.apart:
            from benchmarks.work import run  # noqa: PLC0415

            return run(name, place, count=count)
        command = [sys.executable, "-m", "benchmarks.work", name, json.dumps(place), *["--count"] * count]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - this very program
        told: Costs = json.loads(done.stdout)
        return told

    def _ratio(self, work: str, must: str, at_most: float, rounds: list[dict[str, Costs]], kind: str) -> Row:
        """Compare the two sides round by round."""
        ratios = [each["ours"][kind] / each["peer"][kind] for each in rounds]
        ours, peer = (statistics.median(each[side][kind] for each in rounds) for side in ("ours", "peer"))
        show: Callable[[float], str] = (
            (lambda x: f"{x / _MB:.2f} MB") if kind == "received" else (lambda x: f"{x:.2f} s")
        )
        others = [f"{name} {_side(rounds, 'ours', name)} / {_side(rounds, 'peer', name)} s"
                  for name in ("cpu", "wall") if name != kind and name in rounds[0]["ours"]]  # fmt: skip
        if self.apart and "peak" in rounds[0]["ours"]:
            tops = [statistics.median(each[side]["peak"] for each in rounds) / _MB for side in ("ours", "peer")]
            others.append(f"peak memory {tops[0]:.0f} / {tops[1]:.0f} MB")
        told = "; ".join([f"{show(ours)} / {show(peer)}", *others])
        return Row(work, must, statistics.median(ratios), at_most, told, spread=(min(ratios), max(ratios)))


def _side(rounds: list[dict[str, Costs]], side: str, kind: str) -> str:
    return f"{statistics.median(each[side][kind] for each in rounds):.2f}"
