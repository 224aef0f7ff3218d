"""The tasks that are measured: with this library, with pybuildkite 1.3.0, or with plain code.

python -m benchmarks.work scan_ours '{"url": …, "token": …}'
"""

# pybuildkite has no type annotations
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import gc
import hashlib
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from pybuildkite.buildkite import Buildkite as Pybuildkite

from benchmarks.meter import counted, peak, timed
from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import PipelineRef

Target = dict[str, Any]
Costs = dict[str, Any]

_CHUNK: Final = 64 * 1024


def _client(target: Target) -> Buildkite:
    return Buildkite(target["token"], base_url=target["url"])


def _pipeline(target: Target, slug: str) -> PipelineRef:
    return _client(target).organization("acme").pipeline(slug)


def _peer(target: Target) -> Any:
    peer: Any = Pybuildkite()
    peer.base_url = f"{target['url']}/v2/"
    peer.set_access_token(target["token"])
    return peer


def _peers_builds(target: Target, slug: str) -> Iterator[dict[str, Any]]:
    """Loop over all pages, as the README of pybuildkite does."""
    builds, page = _peer(target).builds(), 1
    while page:
        response = builds.list_all_for_pipeline("acme", slug, page=page, with_pagination=True)
        yield from response.body
        page = response.next_page


# -- builds


def scan_ours(target: Target) -> None:
    """Read three fields of each build."""
    for build in _pipeline(target, "scan").builds():
        _ = build.number, build.state, build.branch


def scan_peer(target: Target) -> None:
    """Read three fields of each build."""
    for build in _peers_builds(target, "scan"):
        _ = build["number"], build["state"], build["branch"]


def jobs_ours(target: Target) -> None:
    """Read each job's name, state and duration."""
    for build in _pipeline(target, "scan").builds(with_jobs=True):
        for job in build.jobs():
            _ = job.name, job.state, job.duration


def jobs_peer(target: Target) -> None:
    """Read each job's name and state, and the strings of its start and end."""
    for build in _peers_builds(target, "scan"):
        for job in build["jobs"]:
            _ = job.get("name"), job["state"], (job["started_at"], job["finished_at"])


def drain_ours(target: Target) -> None:
    """Load all builds."""
    _pipeline(target, "drain").builds().all()


def drain_peer(target: Target) -> None:
    """Load all builds."""
    list(_peers_builds(target, "drain"))


def loop_ours(target: Target) -> Costs:
    """Loop over very many builds; return the growth of memory and the time of the last tenth relative to the first."""
    tenth = target["loop"] // 10
    times: list[float] = [time.process_time()]
    before = 0
    for count, build in enumerate(_pipeline(target, "loop").builds(), start=1):
        _ = build.number
        if count == min(1000, tenth):
            before = peak()
        if count % tenth == 0:
            times.append(time.process_time())
    durations = [after - begun for begun, after in pairwise(times)]
    return {"grown": peak() - before, "last_to_first": durations[-1] / durations[0]}


# -- files


def save_ours(target: Target) -> Costs:
    """Save the largest artifact after a small one, so that the growth of memory is that of the large file."""
    small, large = (_artifact(target, number) for number in (1, 0))
    with tempfile.TemporaryDirectory() as folder:
        small.save_to(Path(folder) / "small")
        before = peak()
        return timed(lambda: large.save_to(Path(folder) / "large")) | {"grown": peak() - before}


def save_bare(target: Target) -> Costs:
    """Save the largest artifact with a plain loop over requests that checks its SHA-1."""
    with tempfile.TemporaryDirectory() as folder, requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {target['token']}"

        def save(number: int, path: Path) -> None:
            url = f"{target['url']}/v2/{_artifact(target, number).api_path}/download"
            digest = hashlib.sha1(usedforsecurity=False)
            with http.get(url, stream=True) as response, path.open("wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != _artifact(target, number).fetch().sha1sum:
                msg = f"{path}: not what was uploaded"
                raise ValueError(msg)

        save(1, Path(folder) / "small")
        before = peak()
        return timed(lambda: save(0, Path(folder) / "large")) | {"grown": peak() - before}


def _artifact(target: Target, number: int) -> Any:
    return _pipeline(target, "files").build(1).job(target["job"]).artifact(target["artifacts"][number])


def many_ours(target: Target) -> None:
    """Save many artifacts concurrently."""
    with tempfile.TemporaryDirectory() as folder:
        _pipeline(target, "files").build(1).artifacts().save_all(folder, progress=False)


def many_in_order(target: Target) -> None:
    """Save many artifacts in order."""
    with tempfile.TemporaryDirectory() as folder:
        for artifact in _pipeline(target, "files").build(1).artifacts():
            artifact.save_to(Path(folder) / str(artifact.filename))


# -- requests


def request_ratios(target: Target) -> Costs:
    """Fetch one build repeatedly, alternating with a bare session; return the costs and their ratios."""
    path, bk = f"{target['url']}/v2/organizations/acme/pipelines/files/builds/1", _client(target)
    build = bk.organization("acme").pipeline("files").build(1)
    bare = requests.Session()
    bare.headers["Authorization"] = f"Bearer {target['token']}"
    variants: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.get(f"{path}?exclude_jobs=true&exclude_pipeline=true").json(),
        "ours": lambda: build.fetch(with_jobs=False, with_pipeline=False),
    }
    return _alternate(variants, target["rounds"], times=target["times"])


def parse_ratios(target: Target) -> Costs:
    """Parse, validate and bind a page, alternating with bare pydantic and with JSON parsers."""
    from benchmarks.bare import builds_adapter  # noqa: PLC0415 - other tasks must not import the models
    from buildkite_orm.http.messages import ApiResponse  # noqa: PLC0415
    from buildkite_orm.models.binding import Binding  # noqa: PLC0415
    from buildkite_orm.models.parsing import load_list  # noqa: PLC0415
    from buildkite_orm.resources.builds.build import Build  # noqa: PLC0415

    url = f"{target['url']}/v2/organizations/acme/pipelines/scan/builds?per_page=100&exclude_pipeline=true"
    page = requests.get(url, headers={"Authorization": f"Bearer {target['token']}"}, timeout=60).content
    response, session, bare = ApiResponse("GET", url, 200, {}, page), _client(target).session, builds_adapter()

    def ours() -> object:
        builds, binding = load_list(Build, response, strict=False), Binding(session, "collection")
        return [build.bind(binding) for build in builds]

    variants: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.validate_json(page),
        "ours": ours,
        "json": lambda: json.loads(page),
    }
    try:
        import orjson  # noqa: PLC0415 - optional
    except ImportError:
        pass
    else:
        variants["orjson"] = lambda: orjson.loads(page)
    return _alternate(variants, target["rounds"], times=1)


def page_times(target: Target) -> Costs:
    """Return the seconds that the fake server takes for a page, with jobs and without."""
    base = f"{target['url']}/v2/organizations/acme/pipelines/scan/builds?per_page=100"
    costs: Costs = {}
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {target['token']}"
        for name, query in {"full": "", "bare": "&exclude_jobs=true&exclude_pipeline=true"}.items():
            took = [
                http.get(f"{base}&page={1 + number % 2}{query}").elapsed.total_seconds()
                for number in range(target["rounds"])
            ]
            costs[name] = statistics.median(took)
    return costs


def _alternate(variants: dict[str, Callable[[], object]], rounds: int, *, times: int) -> Costs:
    spent: dict[str, list[Costs]] = {name: [] for name in variants}
    for _ in range(rounds + 1):  # the first round warms up
        for name, variant in variants.items():
            gc.collect()  # or the garbage of one variant would be collected during the next
            spent[name].append(timed(partial(_repeat, variant, times)))
    costs: Costs = {}
    for name, rows in spent.items():
        for kind in ("cpu", "wall"):
            ratios = [row[kind] / bare[kind] for row, bare in zip(rows[1:], spent["bare"][1:], strict=True)]
            costs[f"{name}_{kind}"] = statistics.median(row[kind] for row in rows[1:]) / times
            costs[f"{name}_{kind}_ratio"] = statistics.median(ratios)
    return costs


def _repeat(task: Callable[[], object], times: int) -> None:
    for _ in range(times):
        task()


TASKS: Final[dict[str, Callable[[Target], Costs | None]]] = {
    task.__name__: task
    for task in (
        scan_ours,
        scan_peer,
        jobs_ours,
        jobs_peer,
        drain_ours,
        drain_peer,
        loop_ours,
        save_ours,
        save_bare,
        many_ours,
        many_in_order,
        request_ratios,
        parse_ratios,
        page_times,
    )
}


def run(name: str, target: Target, *, count: bool = False) -> Costs:
    """Run a task in this process and return its costs.

    Args:
        name: Name of the task.
        target: The fake server, and how much to do.
        count: Whether to count the traffic of the sockets instead of measuring time.
    """
    if count:
        return counted(lambda: TASKS[name](target))
    return timed(lambda: TASKS[name](target)) | {"peak": peak()}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]), count=sys.argv[3:] == ["--count"])))
