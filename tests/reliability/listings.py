"""Listings that stay complete: deep histories, crowded seconds, slow pages, and continuing after an error."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from benchmarks import deep_history
from buildkite_orm import BadRequestError, BuildkiteError, ResponseError, ServerError
from buildkite_orm.fake import FakeBuildkite, Settings
from tests.helpers import ids
from tests.reliability.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import RecordedRequest
    from buildkite_orm.querysets.queryset import QuerySet
    from tests.reliability.tables import Cells

    Make = Callable[[FakeBuildkite, Buildkite, int], tuple[QuerySet[Any], list[str]]]

NOON: Final = 1785585600.0
BUILDS: Final = 5000
DEPTH: Final = 500


# -- listings ----------------------------------------------------------------------------------------------------------


def make_agents(server: FakeBuildkite, bk: Buildkite, count: int) -> tuple[QuerySet[Any], list[str]]:
    for _ in range(count):
        server.add_agent()
    listed = bk.organization("acme").agents()
    return listed, [agent.id for agent in listed.fresh()]


def make_jobs(server: FakeBuildkite, bk: Buildkite, count: int) -> tuple[QuerySet[Any], list[str]]:
    record = server.add_build("web", jobs=count)
    listed = bk.organization("acme").pipeline("web").build(record.number).jobs()
    return listed, [job.id for job in record.jobs]


def make_builds(server: FakeBuildkite, bk: Buildkite, count: int) -> tuple[QuerySet[Any], list[str]]:
    records = server.add_builds("web", count, newest=NOON - 10)
    return bk.organization("acme").pipeline("web").builds(), [record.id for record in reversed(records)]


def make_crowded(server: FakeBuildkite, bk: Buildkite, count: int) -> tuple[QuerySet[Any], list[str]]:
    records = server.add_builds("web", count, newest=NOON - 10, spacing=0.0001)
    return bk.organization("acme").pipeline("web").builds(), [record.id for record in reversed(records)]


MAKERS: Final[dict[str, Make]] = {
    "by number": make_agents,
    "by cursor": make_jobs,
    "by time": make_builds,
    "by time, in one second": make_crowded,
}

SLOW: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "504": ("html", {"status": 504}),
    "timeout": ("read_timeout", {}),
    "stall": ("stall", {}),
}


def size_of(request: RecordedRequest) -> int:
    return int(dict(request.query)["per_page"])


def requested(server: FakeBuildkite) -> list[int]:
    return [size_of(request) for request in server.requests]


def slow_above(server: FakeBuildkite, most: int, *, what: str = "504", **options: Any) -> None:
    """Make pages of more items than that slow."""
    kind, fault = SLOW[what]
    options = {"times": None, **options}
    server.faults.add(kind, match=lambda request: size_of(request) > most, **fault, **options)


def fetched(requests: list[RecordedRequest]) -> set[str]:
    return {request.line for request in requests if request.status == 200}


# -- measurements -----------------------------------------------------------------------------------------------------


@contextmanager
def _served() -> Generator[tuple[FakeBuildkite, Buildkite]]:
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server, server.client() as bk:
        yield server, bk


def _cells(found: Sequence[str], wanted: Sequence[str], requests: int) -> Cells:
    """Return the cells for a listing, which must have each item once, and for its requests."""
    counts = Counter(found)
    lost, doubled = set(wanted) - counts.keys(), [key for key, count in counts.items() if count > 1]
    assert (len(lost), len(doubled), len(counts)) == (0, 0, len(wanted))
    return f"each of {len(counts)}", str(len(lost)), str(len(doubled)), str(requests)


def deep(list_builds: deep_history.ListBuilds, matches: deep_history.Matches) -> Cells:
    """Read a history while builds arrive, start and finish: those that matched throughout are returned once."""
    result = deep_history.measure(list_builds, matches, BUILDS, DEPTH)
    assert result.is_correct
    assert result.throughout > 2 * DEPTH
    assert result.moved > result.requests
    most = 2 * result.throughout // 100  # how many of several threads are past the depth limit is not the same always
    assert result.requests <= most
    requests = f"at most {most}" if list_builds is deep_history.concurrently else str(result.requests)
    return f"each of {result.throughout}", str(result.lost), str(result.doubled), requests


def full_second() -> Cells:
    with _served() as (server, bk):
        server.settings.depth_limit = DEPTH
        listed, wanted = make_crowded(server, bk, DEPTH)
        return _cells(ids(listed), wanted, len(server.requests))


def too_full_second(*, leaves: bool) -> Cells:
    with _served() as (server, bk):
        server.settings.depth_limit = DEPTH
        listed, _ = make_crowded(server, bk, DEPTH + 120)
        error = _error_of(listed.filter(state="passed") if leaves else listed)  # type: ignore[attr-defined]
        assert isinstance(error, BadRequestError)
        assert "created at 2026-08-01T11:59:49Z" in str(error)
        return _raised(error, len(server.requests))


def restless_second() -> Cells:
    """With each request one more build starts in it."""
    with _served() as (server, bk):
        second = NOON - 10.5
        server.add_builds("web", 20, newest=second, spacing=0.0001, state="running")

        def start_one(payload: Any) -> Any:
            server.add_build("web", created_at=second, state="running")
            return payload

        server.settings.drift = start_one
        error = _error_of(bk.organization("acme").pipeline("web").builds(state="running").per_page(10))
        assert isinstance(error, ResponseError)
        assert "Narrow the query" in str(error)
        return _raised(error, len(server.requests))


def _error_of(listed: QuerySet[Any]) -> BuildkiteError:
    try:
        list(listed)
    except BuildkiteError as error:
        return error
    raise AssertionError("no error was raised")


def _raised(error: BuildkiteError, requests: int) -> Cells:
    return f"`{type(error).__name__}`, which names the second", "-", "-", str(requests)


def slow(make: Make, what: str) -> Cells:
    """Pages of more than 25 take too long, twice."""
    with _served() as (server, bk):
        listed, wanted = make(server, bk, 750)
        server.requests.clear()
        slow_above(server, 25, what=what, times=2)
        found = ids(listed)
        sizes = requested(server)
        assert sizes[:3] == [100, 50, 25]
        assert sizes[-1] == max(sizes[2:])
        return *_cells(found, wanted, len(sizes)), _sizes(sizes)


def always_slow(make: Make) -> Cells:
    with _served() as (server, bk):
        listed = make(server, bk, 350)[0].fresh()
        server.requests.clear()
        slow_above(server, 0)
        error = _error_of(listed)
        assert isinstance(error, ServerError)
        sizes = requested(server)
        assert len(sizes) < 10
        return f"`{type(error).__name__}`", "-", "-", str(len(sizes)), _sizes(sizes)


def continuing(make: Make) -> Cells:
    """Its fourth page fails for good; once all is well again, the same queryset is read once more."""
    with _served() as (server, bk):
        listed, wanted = make(server, bk, 750)
        server.requests.clear()
        server.faults.add("error", status=500, times=None, after=3)
        error = _error_of(listed)
        assert isinstance(error, ServerError)
        server.faults.clear()
        before = list(server.requests)
        server.requests.clear()
        found = ids(listed)
        assert server.requests[0].line == before[-1].line
        assert not {request.line for request in server.requests} & fetched(before)
        return *_cells(found, wanted, len(server.requests)), _sizes(requested(server))


def _sizes(sizes: list[int]) -> str:
    runs = [(size, len(list(run))) for size, run in groupby(sizes)]
    return ", ".join(str(size) if times == 1 else f"{times} of {size}" for size, times in runs)


_COLUMNS: Final = ("listing", "lost", "doubled", "requests")

DEEP: Final = Table(
    title="Deep histories",
    note=f"""\
{BUILDS} builds behind a server that lists no deeper than {DEPTH}; many share a second, and with each request some are
created, start or finish. Each build that matched throughout must be returned exactly once. Then seconds with more
builds than a page, and with more than the server lists. The same at full size:
`python -m benchmarks.deep_history --builds 100000 --depth 2500`.
""",
    columns=_COLUMNS,
    rows=(
        Row("all, page by page", partial(deep, *deep_history.LISTINGS[0])),
        Row("what runs, page by page", partial(deep, *deep_history.LISTINGS[1])),
        Row("a branch, concurrently", partial(deep, *deep_history.LISTINGS[2])),
        Row(f"{DEPTH} builds in one second", full_second),
        Row(f"{DEPTH + 120} builds in one second", partial(too_full_second, leaves=False)),
        Row(f"{DEPTH + 120} in one second, by state", partial(too_full_second, leaves=True)),
        Row("a second in which builds keep starting", restless_second),
    ),
)
SLOW_PAGES: Final = Table(
    title="Slow pages, and continuing after an error",
    note="""\
Listings of 750 items. A page that takes the server too long (504, or no response in time) is requested in smaller
parts, and the size recovers when responses are fast again; for builds of one second, after that second. If a page fails
permanently, an error is raised; the queryset, read again, continues with the page that failed and requests nothing that
it has loaded. The last column has the sizes of the requested pages, in order.
""",
    columns=(*_COLUMNS, "page sizes"),
    rows=(
        *(Row(f"{name}, 504 above 25, twice", partial(slow, make, "504")) for name, make in MAKERS.items()),
        *(Row(f"{name}, no response above 25, twice", partial(slow, make, "timeout")) for name, make in MAKERS.items()),
        *(Row(f"{name}, always 504", partial(always_slow, make)) for name, make in MAKERS.items()),
        *(Row(f"{name}, read again after an error", partial(continuing, make)) for name, make in MAKERS.items()),
    ),
)
TABLES: Final = (DEEP, SLOW_PAGES)
