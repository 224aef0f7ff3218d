"""The work that is measured, in a process of its own: by this library, by pybuildkite 1.3.0, or by bare requests.

python -m benchmarks.work scan_ours '{"url": …, "token": …}'
"""

# pybuildkite has no annotations
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

Place = dict[str, Any]
Costs = dict[str, Any]

_CHUNK: Final = 64 * 1024


def _client(place: Place) -> Buildkite:
    return Buildkite(place["token"], base_url=place["url"])


def _pipeline(place: Place, slug: str) -> PipelineRef:
    return _client(place).organization("acme").pipeline(slug)


def _peer(place: Place) -> Any:
    peer: Any = Pybuildkite()
    peer.base_url = f"{place['url']}/v2/"
    peer.set_access_token(place["token"])
    return peer


def _peers_builds(place: Place, slug: str) -> Iterator[dict[str, Any]]:
    """Loop over all pages, as its README does."""
    builds, page = _peer(place).builds(), 1
    while page:
        answer = builds.list_all_for_pipeline("acme", slug, page=page, with_pagination=True)
        yield from answer.body
        page = answer.next_page


# -- builds


def scan_ours(place: Place) -> None:
    """Read three fields of each build."""
    for build in _pipeline(place, "scan").builds():
        _ = build.number, build.state, build.branch


def scan_peer(place: Place) -> None:
    """Read three fields of each build."""
    for build in _peers_builds(place, "scan"):
        _ = build["number"], build["state"], build["branch"]


def jobs_ours(place: Place) -> None:
    """Read each job's name, state and duration."""
    for build in _pipeline(place, "scan").builds(with_jobs=True):
        for job in build.jobs():
            _ = getattr(job, "name", None), job.state, job.duration


def jobs_peer(place: Place) -> None:
    """Read each job's name and state, and the strings that its duration lies between."""
    for build in _peers_builds(place, "scan"):
        for job in build["jobs"]:
            _ = job.get("name"), job["state"], (job["started_at"], job["finished_at"])


def drain_ours(place: Place) -> None:
    """Load all builds."""
    _pipeline(place, "drain").builds().all()


def drain_peer(place: Place) -> None:
    """Load all builds."""
    list(_peers_builds(place, "drain"))


def loop_ours(place: Place) -> Costs:
    """Loop over very many builds; tell by how much that grows, and how the last tenth compares with the first."""
    tenth = place["loop"] // 10
    times: list[float] = [time.process_time()]
    before = 0
    for count, build in enumerate(_pipeline(place, "loop").builds(), start=1):
        _ = build.number
        if count == min(1000, tenth):
            before = peak()
        if count % tenth == 0:
            times.append(time.process_time())
    spans = [after - begun for begun, after in pairwise(times)]
    return {"grown": peak() - before, "last_to_first": spans[-1] / spans[0]}


# -- files


def save_ours(place: Place) -> Costs:
    """Save the largest artifact, its size and SHA-1 checked; a small one goes before, to know what is the file's."""
    small, large = (_artifact(place, number) for number in (1, 0))
    with tempfile.TemporaryDirectory() as folder:
        small.save_to(Path(folder) / "small")
        before = peak()
        return timed(lambda: large.save_to(Path(folder) / "large")) | {"grown": peak() - before}


def save_bare(place: Place) -> Costs:
    """Save the largest artifact with a plain loop over requests that checks its SHA-1."""
    with tempfile.TemporaryDirectory() as folder, requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {place['token']}"

        def save(number: int, path: Path) -> None:
            url = f"{place['url']}/v2/{_artifact(place, number).api_path}/download"
            digest = hashlib.sha1(usedforsecurity=False)
            with http.get(url, stream=True) as response, path.open("wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != _artifact(place, number).fetch().sha1sum:
                msg = f"{path}: not what was uploaded"
                raise ValueError(msg)

        save(1, Path(folder) / "small")
        before = peak()
        return timed(lambda: save(0, Path(folder) / "large")) | {"grown": peak() - before}


def _artifact(place: Place, number: int) -> Any:
    return _pipeline(place, "files").build(1).job(place["job"]).artifact(place["artifacts"][number])


def many_ours(place: Place) -> None:
    """Save many artifacts, several at once."""
    with tempfile.TemporaryDirectory() as folder:
        _pipeline(place, "files").build(1).artifacts().save_all(folder, progress=False)


def many_in_turn(place: Place) -> None:
    """Save many artifacts, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        for artifact in _pipeline(place, "files").build(1).artifacts():
            artifact.save_to(Path(folder) / str(artifact.filename))


# -- requests


def request_ratios(place: Place) -> Costs:
    """Ask for one small thing again and again, by turns; tell what each costs beside a bare session."""
    path, bk = f"{place['url']}/v2/organizations/acme/pipelines/files/builds/1", _client(place)
    build = bk.organization("acme").pipeline("files").build(1)
    bare = requests.Session()
    bare.headers["Authorization"] = f"Bearer {place['token']}"
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.get(f"{path}?exclude_jobs=true&exclude_pipeline=true").json(),
        "ours": lambda: build.fetch(with_jobs=False, with_pipeline=False),
    }
    return _by_turns(ways, place["rounds"], times=place["times"])


def parse_ratios(place: Place) -> Costs:
    """Parse, validate and bind one page, by turns with what does less."""
    from benchmarks.bare import floor  # noqa: PLC0415 - it loads models, which are no part of other work
    from buildkite_orm.http.session import ApiResponse  # noqa: PLC0415
    from buildkite_orm.models.binding import Binding  # noqa: PLC0415
    from buildkite_orm.models.parsing import load_list  # noqa: PLC0415
    from buildkite_orm.resources.builds.build import Build  # noqa: PLC0415

    url = f"{place['url']}/v2/organizations/acme/pipelines/scan/builds?per_page=100&exclude_pipeline=true"
    page = requests.get(url, headers={"Authorization": f"Bearer {place['token']}"}, timeout=60).content
    answer, session, bare = ApiResponse("GET", url, 200, {}, page), _client(place).session, floor()

    def ours() -> object:
        builds, binding = load_list(Build, answer, strict=False), Binding(session, "collection")
        return [build.bind(binding) for build in builds]

    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.validate_json(page),
        "ours": ours,
        "json": lambda: json.loads(page),
    }
    try:
        import orjson  # noqa: PLC0415 - where it is installed
    except ImportError:
        pass
    else:
        ways["orjson"] = lambda: orjson.loads(page)
    return _by_turns(ways, place["rounds"], times=1)


def page_times(place: Place) -> Costs:
    """Tell the seconds that the fake takes for a page, with jobs and without."""
    base = f"{place['url']}/v2/organizations/acme/pipelines/scan/builds?per_page=100"
    told: Costs = {}
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {place['token']}"
        for name, query in {"full": "", "bare": "&exclude_jobs=true&exclude_pipeline=true"}.items():
            took = [
                http.get(f"{base}&page={1 + number % 2}{query}").elapsed.total_seconds()
                for number in range(place["rounds"])
            ]
            told[name] = statistics.median(took)
    return told


def _by_turns(ways: dict[str, Callable[[], object]], rounds: int, *, times: int) -> Costs:
    spent: dict[str, list[Costs]] = {name: [] for name in ways}
    for _ in range(rounds + 1):  # the first is to warm up
        for name, way in ways.items():
            gc.collect()  # else what one has left is collected in the time of another, and always the same one
            spent[name].append(timed(partial(_often, way, times)))
    told: Costs = {}
    for name, rows in spent.items():
        for kind in ("cpu", "wall"):
            ratios = [row[kind] / bare[kind] for row, bare in zip(rows[1:], spent["bare"][1:], strict=True)]
            told[f"{name}_{kind}"] = statistics.median(row[kind] for row in rows[1:]) / times
            told[f"{name}_{kind}_ratio"] = statistics.median(ratios)
    return told


def _often(way: Callable[[], object], times: int) -> None:
    for _ in range(times):
        way()


WORKS: Final[dict[str, Callable[[Place], Costs | None]]] = {
    work.__name__: work
    for work in (
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
        many_in_turn,
        request_ratios,
        parse_ratios,
        page_times,
    )
}


def run(name: str, place: Place, *, count: bool = False) -> Costs:
    """Do a piece of work in this process, and tell what it costs.

    Args:
        name: Which.
        place: Where the fake is, and how much there is to do.
        count: Whether to tell what goes over the sockets, and not how long it takes.
    """
    if count:
        return counted(lambda: WORKS[name](place))
    return timed(lambda: WORKS[name](place)) | {"peak": peak()}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], json.loads(sys.argv[2]), count=sys.argv[3:] == ["--count"])))
