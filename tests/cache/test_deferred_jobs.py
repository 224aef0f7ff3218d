"""Builds of a listing whose jobs the cache has: the jobs are loaded when they are first read, in whatever way."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from buildkite_orm import Build, Cache, ResponseError, ScriptJob
from buildkite_orm.cache.packing import pack
from buildkite_orm.resources.builds.stored_builds import StoredJobs
from buildkite_orm.shell.infer import Instance, infer
from buildkite_orm.utils.json_types import as_array
from tests.cache.conftest import web_of
from tests.cache.feeds import listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.models.resource import Resource
    from tests.cache.conftest import Clients
    from tests.conftest import Costs


class Report(BaseModel):
    """A model of a caller."""

    builds: list[Build]


class Loads:
    """Counts the builds whose jobs are loaded from the cache."""

    count = 0


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    counted, load_jobs = Loads(), StoredJobs.load

    def load(jobs: StoredJobs, owner: Resource) -> object:
        counted.count += 1
        return load_jobs(jobs, owner)

    monkeypatch.setattr(StoredJobs, "load", load)
    return counted


@pytest.fixture
def stored(server: FakeBuildkite, new_client: Clients) -> FakeBuildkite:
    """`server` with two failed builds that the cache has."""
    jobs: list[dict[str, Any]] = [{"state": "passed"}, {"state": "failed", "exit_status": 2}]
    for _ in range(2):
        server.add_build("web", state="failed", jobs=jobs)
    server.clock.advance(3600)
    list(web_of(new_client()).builds(with_jobs=True))
    return server


def cached_build(new_client: Clients) -> Build:
    """Return the newest build, whose jobs are in the cache."""
    build = web_of(new_client()).builds(with_jobs=True)[0]
    assert build.from_cache
    return build


def test_a_loop_that_reads_no_jobs_loads_none(stored: FakeBuildkite, new_client: Clients, loads: Loads) -> None:
    del stored
    builds = list(web_of(new_client()).builds(with_jobs=True))
    assert [build.state for build in builds] == ["failed"] * 2
    assert repr(builds[0])
    assert loads.count == 0
    assert [job.state for job in builds[0].jobs()] == ["passed", "failed"]
    assert builds[0].embedded_jobs is builds[0].embedded_jobs
    assert loads.count == 1


def unpickled(build: Build) -> Build:
    """Return a build after it was pickled."""
    copied: Build = pickle.loads(pickle.dumps(build))  # noqa: S301 - our own
    return copied


READERS: dict[str, Callable[[Build], Any]] = {
    "the field": lambda build: [job.dump() for job in build.embedded_jobs or []],
    "getattr": lambda build: [job.dump() for job in getattr(build, "embedded_jobs")],  # noqa: B009
    "jobs()": lambda build: [job.dump() for job in build.jobs()],
    "jobs(state=…)": lambda build: [job.id for job in build.jobs(state="failed")],
    "jobs(kind=…)": lambda build: [job.id for job in build.jobs(kind=ScriptJob)],
    "failed_jobs()": lambda build: [job.id for job in build.failed_jobs()],
    "dump()": lambda build: build.dump(),
    "model_dump()": lambda build: build.model_dump(),
    "model_dump(by_alias=True)": lambda build: build.model_dump(by_alias=True),
    "model_dump_json()": lambda build: build.model_dump_json(),
    "a part": lambda build: build.model_dump(include={"embedded_jobs": {0: {"id"}}}),
    "an adapter": lambda build: TypeAdapter(Build).dump_python(build),
    "an adapter of lists": lambda build: TypeAdapter(list[Build]).dump_json([build]),
    "a model of the caller": lambda build: Report(builds=[build]).model_dump_json(),
    "a copy": lambda build: copy.copy(build).dump(),
    "a deep copy": lambda build: copy.deepcopy(build).dump(),
    "model_copy()": lambda build: build.model_copy().dump(),
    "a pickle": lambda build: unpickled(build).dump(),
    "the fields of its repr": lambda build: str(dict(build.__repr_args__())["embedded_jobs"]),
    "drift": lambda build: build.drift,
    "timeline()": lambda build: [row.job.id for row in build.timeline().rows],
    "reload()": lambda build: build.reload().dump(),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_the_jobs_are_there_for_whatever_reads_them_first(
    stored: FakeBuildkite, new_client: Clients, read: Callable[[Build], Any]
) -> None:
    plain = web_of(stored.client()).builds(with_jobs=True)[0]
    assert read(cached_build(new_client)) == read(plain)


def test_rows_of_jobs_are_those_without_a_cache(stored: FakeBuildkite, new_client: Clients) -> None:
    plain, cached = web_of(stored.client()), web_of(new_client())
    tables = [list(web.builds(with_jobs=True).rows()) for web in (plain, cached)]
    assert tables[0] == tables[1]


def test_to_load_them_costs_no_request_also_offline(stored: FakeBuildkite, new_client: Clients, costs: Costs) -> None:
    del stored
    build = cached_build(new_client)
    with costs(0):
        assert len(list(build.jobs())) == 2
        offline = web_of(new_client(mode="only")).builds(with_jobs=True)[0]
        assert len(list(offline.jobs())) == 2


def test_a_build_that_a_page_has_twice_has_its_jobs_twice(stored: FakeBuildkite, new_client: Clients) -> None:
    def twice(payload: Any) -> Any:
        builds: list[Any] = as_array(payload) or []
        return [*builds[:1], *builds]

    stored.settings.drift = twice
    expected = [build.dump() for build in web_of(stored.client()).builds(with_jobs=True)]
    for mode in ("on", "refresh", "only"):
        assert [build.dump() for build in web_of(new_client(mode=mode)).builds(with_jobs=True)] == expected


def test_fetched_and_offline_builds_load_their_jobs_when_they_are_read(
    stored: FakeBuildkite, new_client: Clients, loads: Loads, costs: Costs
) -> None:
    del stored
    online, offline = web_of(new_client()), web_of(new_client(mode="only"))
    build = online.build(2).fetch()
    with costs(0):
        fetched = online.build(2).fetch(max_age=timedelta(days=1))
        listed = list(offline.builds(with_jobs=True))
        assert loads.count == 0
        assert [each.id for each in fetched.jobs()] == [each.id for each in listed[0].jobs()]
    assert fetched.dump() == build.dump()
    assert loads.count == 2


def test_a_listing_of_all_attempts_after_a_feed_loads_no_jobs(
    followed: FakeBuildkite, new_client: Clients, loads: Loads
) -> None:
    before = len(followed.requests)
    builds = list(listing(new_client(), include_retried_jobs=True))
    assert len(followed.requests) - before < 14
    assert sum(build.from_cache for build in builds) > 200
    assert loads.count == 0


def test_jobs_of_a_build_that_was_fetched_are_read_offline_too(
    stored: FakeBuildkite, new_client: Clients, costs: Costs
) -> None:
    web = web_of(new_client())
    list(web.builds())
    web.build(2).fetch().failed_jobs()[0].retry()
    stored.clock.advance(3600)
    build = web.build(2).fetch()
    with costs(0):
        jobs = web_of(new_client(mode="only")).builds()[0].jobs()
        assert [job.id for job in jobs] == [job.id for job in build.jobs()]


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_a_strict_client_uses_only_what_is_as_documented(stored: FakeBuildkite, folder: Path) -> None:
    stored.settings.drift = with_odd_status
    cache = Cache(folder, namespace="test")
    with stored.client(cache=cache) as lenient:
        list(web_of(lenient).builds(with_jobs=True, cache="refresh"))
    with stored.client(cache=cache, strict=True) as strict:
        with pytest.raises(ResponseError, match="exit_status"):
            list(web_of(strict).builds(with_jobs=True))
        with pytest.raises(ResponseError, match="exit_status"):
            web_of(strict).build(2).fetch(max_age=timedelta(days=1))
        stored.settings.drift = None
        build = web_of(strict).build(2).fetch()
        assert web_of(strict).build(2).fetch(max_age=timedelta(days=1)).dump() == build.dump()


def with_odd_status(payload: Any) -> Any:
    """Return a payload in which the exit status of jobs is no number."""
    builds: list[Any] = as_array(payload) or [payload]
    for job in [job for build in builds for job in build.get("jobs", [])]:
        job["exit_status"] = "zero"
    return payload


@pytest.mark.parametrize("pause_gc", [True, False])
def test_reading_them_pauses_the_collector_only_if_the_client_may(
    stored: FakeBuildkite, folder: Path, monkeypatch: pytest.MonkeyPatch, *, pause_gc: bool
) -> None:
    pauses: list[str] = []
    monkeypatch.setattr(gc, "isenabled", lambda: True)
    monkeypatch.setattr(gc, "disable", lambda: pauses.append("paused"))
    with stored.client(cache=Cache(folder, namespace="test"), pause_gc=pause_gc) as bk:
        assert list(web_of(bk).builds(with_jobs=True)[0].jobs())
        assert list(web_of(bk).build(2).fetch(max_age=timedelta(days=1)).jobs())
        assert list(web_of(bk).builds(with_jobs=True, cache="only"))
    assert bool(pauses) is pause_gc


def test_completion_in_the_shell_knows_their_type_and_does_not_load_them(
    stored: FakeBuildkite, new_client: Clients, loads: Loads
) -> None:
    del stored
    inferred = infer("build.embedded_jobs", {"build": cached_build(new_client)})
    assert isinstance(inferred, Instance)
    assert loads.count == 0


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_drift_of_jobs_is_noticed_when_it_is_read(server: FakeBuildkite, new_client: Clients) -> None:
    server.settings.drift = with_odd_status
    server.add_build("web", state="passed", jobs=[{"state": "passed"}])
    server.clock.advance(3600)
    first = list(web_of(new_client()).builds(with_jobs=True))
    second = cached_build(new_client)
    assert [each.field for each in first[0].drift] == ["jobs[0].exit_status"]
    for _ in range(2):
        assert second.drift == first[0].drift
    assert second.jobs()[0].drift == first[0].jobs()[0].drift


def test_jobs_that_cannot_be_read_are_requested(
    stored: FakeBuildkite, new_client: Clients, folder: Path, costs: Costs
) -> None:
    del stored
    build = cached_build(new_client)
    damage(build)
    assert build.embedded_jobs is None
    with costs(0):  # the cache still has them
        assert [job.state for job in build.jobs()] == ["passed", "failed"]
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        rows.execute("UPDATE entries SET data = x'00' WHERE kind LIKE 'build%'")
    with costs(1):
        assert [job.state for job in build.jobs()] == ["passed", "failed"]


def damage(build: Build) -> None:
    """Replace the stored text of a build by one that is not JSON, as if it had been divided in the wrong place."""
    row = vars(build)["embedded_jobs"].row
    broken = type(row)(row.key, row.kind, row.stamp, pack(b'{"id":'), row.size, row.id, row.stored_at)
    vars(build)["embedded_jobs"] = StoredJobs(broken)


def test_threads_that_read_them_at_once_see_the_same(stored: FakeBuildkite, new_client: Clients) -> None:
    del stored
    build = cached_build(new_client)

    def read(_number: int) -> list[str]:
        return [job.id for job in build.jobs()]

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(read, range(50)))
    assert all(ids == seen[0] and len(ids) == 2 for ids in seen)
    assert build.drift == ()


# -- the class


def read_field(build: Build) -> object:
    return build.embedded_jobs


def test_the_field_is_no_attribute_of_the_class() -> None:
    assert not hasattr(Build, "embedded_jobs")
    kind: Any = Build
    build = kind.model_construct()
    with pytest.raises(AttributeError, match="is set by the server and cannot be assigned"):
        build.embedded_jobs = []
    del vars(build)["embedded_jobs"]
    with pytest.raises(AttributeError, match="the server sent no 'embedded_jobs'"):
        read_field(build)


def test_a_class_of_a_caller_has_the_field(stored: FakeBuildkite) -> None:
    class OwnBuild(Build):
        team: str | None = None

    payload = web_of(stored.client()).builds(with_jobs=True)[0].dump()
    build = OwnBuild.model_validate({**payload, "team": "web"})
    assert [job.state for job in build.embedded_jobs or []] == ["passed", "failed"]
    assert build.dump() == {**payload, "team": "web"}
    assert (
        OwnBuild.model_validate({name: value for name, value in payload.items() if name != "jobs"}).embedded_jobs
        is None
    )


class TeamBuild(Build):
    """A class of a caller that validates its own objects again."""

    model_config = ConfigDict(revalidate_instances="always")

    team: str | None = None


MAKERS: list[Callable[[dict[str, Any]], TeamBuild]] = [
    lambda data: TeamBuild(**data, team="web"),
    lambda data: TeamBuild.model_validate({**data, "team": "web"}),
    lambda data: TeamBuild.model_validate(TeamBuild.model_construct(**data, team="web")),
]


@pytest.mark.parametrize("make", MAKERS)
def test_an_object_of_a_caller_can_be_made_of_the_data_of_a_build(
    stored: FakeBuildkite, new_client: Clients, make: Callable[[dict[str, Any]], TeamBuild]
) -> None:
    plain = web_of(stored.client()).builds(with_jobs=True)[0]
    made = make(vars(cached_build(new_client)))
    assert made.model_dump() == make(vars(plain)).model_dump()
    assert [job.state for job in made.embedded_jobs or []] == ["passed", "failed"]


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_its_json_schema_names_the_kinds_of_jobs(mode: Any) -> None:
    schema = Build.model_json_schema(mode=mode)
    assert "ScriptJob" in json.dumps(schema["properties"]["jobs"])
