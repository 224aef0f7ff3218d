"""Querysets as pickles: the query alone, without its client; unbound until `bk.bind(…)`."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from buildkite_orm import (
    Artifact,
    Build,
    Buildkite,
    BuildState,
    JobQuerySet,
    ScriptJob,
    UnboundError,
    resources,
)
from buildkite_orm.querysets.queryset import QuerySet
from tests.helpers import ids, web_build, web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

T = TypeVar("T")
Q = TypeVar("Q", bound="QuerySet[Any]")

FILTERS: dict[str, dict[str, object]] = {
    "AgentQuerySet": {"name": "builder", "version": "3.100.0"},
    "ArtifactQuerySet": {"path": ["**/*.{json,xml}", "dist/*"], "state": "finished"},
    "BuildQuerySet": {
        "state": [BuildState.RUNNING, BuildState("brand-new")],
        "branch": ["main", "release/*"],
        "created_from": datetime(2026, 7, 1, tzinfo=UTC),
        "created_to": datetime(2026, 8, 1, tzinfo=UTC),
        "meta_data": {"release": "1.2"},
        "with_jobs": True,
        "include_retried_jobs": True,
    },
    "JobQuerySet": {"state": ["failed", "passed"], "include_retried_jobs": True, "step_key": "test"},
    "PipelineQuerySet": {"name": "web"},
}


def again(value: T) -> T:
    """Return what a pickle of a value contains."""
    loaded: T = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    return loaded


def queryset_classes() -> list[type[QuerySet[Any]]]:
    """Return all classes of querysets in the library."""
    for module in walk_packages(resources.__path__, "buildkite_orm.resources."):
        import_module(module.name)
    found: list[type[QuerySet[Any]]] = []
    left: list[type[QuerySet[Any]]] = [QuerySet]
    while left:
        kinds = [kind for kind in left.pop().__subclasses__() if kind.__module__.startswith("buildkite_orm.")]
        found += kinds
        left += kinds
    return sorted(found, key=lambda kind: kind.__name__)


CLASSES = queryset_classes()
USES: dict[str, Callable[[QuerySet[Any]], object]] = {
    "iterating": list,
    "iterator": lambda qs: list(qs.iterator()),
    "pages": lambda qs: list(qs.pages()),
    "all": lambda qs: qs.all(),
    "first": lambda qs: qs.first(),
    "one": lambda qs: qs.one(),
    "count": lambda qs: qs.count(),
    "bool": bool,
    "in": lambda qs: object() in qs,
    "an index": lambda qs: qs[0],
    "a far index": lambda qs: qs[500],
    "the last": lambda qs: qs[-1],
    "a slice": lambda qs: qs[3:5],
    "creating": lambda qs: qs._create({}),  # pyright: ignore[reportPrivateUsage]
}


def queryset_of(kind: type[Q], bk: Buildkite) -> Q:
    filters = FILTERS.get(kind.__name__.removeprefix("Pipeline") if "Build" in kind.__name__ else kind.__name__, {})
    return kind(bk.session, "organizations/acme/things", filters).per_page(50).limit(7)


def test_all_classes_are_found() -> None:
    assert len(CLASSES) > 40
    assert {"BuildQuerySet", "PipelineBuildQuerySet", "JobQuerySet"} < {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_queryset_survives_a_pickle_as_the_same_query(
    kind: type[QuerySet[Any]], server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    queryset = queryset_of(kind, bk)
    with costs(0):
        data = pickle.dumps(queryset)
        part = again(queryset)
        bound = bk.bind(part)
    assert server.token.encode() not in data
    assert len(data) < 700
    assert (type(part), repr(part)) == (kind, repr(queryset))
    assert (type(bound), repr(bound)) == (kind, repr(queryset))
    assert bound._pages.listing == queryset._pages.listing  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_unpickled_queryset_says_how_to_bind_it(kind: type[QuerySet[Any]], bk: Buildkite, costs: Costs) -> None:
    part = again(queryset_of(kind, bk).limit(900))
    for each in (part, part.limit(800).per_page(20), part.fresh()):
        for use in USES.values():
            with costs(0), pytest.raises(UnboundError, match=r"bk\.bind\(part\)"):
                use(each)


def test_a_page_of_an_unpickled_queryset_says_how_to_bind_it(web: PipelineRef) -> None:
    with pytest.raises(UnboundError, match=r"bk\.bind\(part\)"):
        again(web.builds()).page(2)


def test_what_was_loaded_is_not_in_the_pickle(
    server: FakeBuildkite, web: PipelineRef, bk: Buildkite, costs: Costs
) -> None:
    server.add_builds("web", 150)
    builds = web.builds(branch="main")
    fresh = pickle.dumps(builds)
    listed = ids(builds)
    assert pickle.dumps(builds) == fresh
    with costs(2):
        assert ids(bk.bind(again(builds))) == listed


def test_filters_limits_and_page_sizes_survive(
    server: FakeBuildkite, web: PipelineRef, bk: Buildkite, costs: Costs
) -> None:
    server.add_builds("web", 9, branch="main")
    server.add_builds("web", 9, branch="other")
    part = again(web.builds(branch="main").per_page(2).limit(5)).filter(state="passed")
    with costs(4):
        assert len(list(bk.bind(part))) == 5
    assert all("?branch=main&state=passed&" in request.line for request in server.requests)
    assert all(request.line.endswith("&per_page=2") for request in server.requests)


def test_the_kind_of_jobs_survives(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=1, jobs=[{"name": "Test"}, {"type": "waiter"}, {"name": "Deploy"}])
    part: JobQuerySet[ScriptJob] = again(web_build(bk).jobs(kind=ScriptJob))
    assert [job.name for job in bk.bind(part)] == ["Test", "Deploy"]


def test_globs_survive(server_with_build: FakeBuildkite, bk: Buildkite) -> None:
    job = server_with_build.build("web", 1).jobs[0]
    for path in ("log/a.json", "log/deep/b.xml", "c.txt"):
        server_with_build.add_artifact(job, path, b"x")
    part = again(web_build(bk).artifacts(path="log/**/*.{json,xml}"))
    assert sorted(artifact.path for artifact in bk.bind(part)) == ["log/a.json", "log/deep/b.xml"]


def test_embedded_jobs_are_requested_again_after_a_pickle(
    server: FakeBuildkite, web: PipelineRef, bk: Buildkite, costs: Costs
) -> None:
    server.add_build("web", number=1, jobs=3)
    jobs = web.build(1).fetch().jobs()
    embedded = ids(jobs)
    with costs(1):
        assert ids(bk.bind(again(jobs))) == embedded


def test_a_value_that_the_library_does_not_know_is_accepted_once(web: PipelineRef) -> None:
    assert "brand-new" in repr(again(web.builds(state=BuildState("brand-new"))))
    with pytest.raises(ValueError, match="state='odd'"):
        again(web.builds()).filter(state="odd")  # type: ignore[arg-type]


def test_binding_to_another_client_leaves_the_queryset_as_it_is(
    server: FakeBuildkite, web: PipelineRef, costs: Costs
) -> None:
    server.add_builds("web", 3)
    builds = web.builds()
    loaded = list(builds)
    with server.client() as other, costs(1):
        assert next(iter(other.bind(builds))).session is other.session
        assert list(builds) == loaded
        assert builds[0].session is web.session


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_keeps_its_client(
    server: FakeBuildkite, web: PipelineRef, costs: Costs, copied: Callable[[Any], Any]
) -> None:
    server.add_build("web", number=1, jobs=2)
    with costs(1):
        assert ids(copied(web.builds())) == ids(server.store.builds)
    jobs = web.build(1).fetch().jobs()
    with costs(0):
        assert ids(copied(jobs)) == ids(jobs)


def test_objects_of_an_unpickled_queryset_navigate(server: FakeBuildkite, bk: Buildkite) -> None:
    job = server.add_build("web", number=1, jobs=1).jobs[0]
    server.add_artifact(job, "a.txt", b"hello")
    (build,) = bk.bind(again(web_pipeline(bk).builds()))
    (artifact,) = build.artifacts()
    assert isinstance(build, Build)
    assert isinstance(artifact, Artifact)
    assert b"".join(artifact.download(stream=True)) == b"hello"
