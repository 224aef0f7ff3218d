"""Eight threads under a request budget: as fast as the budget allows, without a 429, and with exact results."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import RateLimitError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, Settings, SharedClock
from tests.reliability.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm import Buildkite
    from buildkite_orm.http.retry import Wait
    from tests.reliability.tables import Cells

THREADS: Final = 8
OFTEN: Final = 1e-6
PAGES: Final = 130
LIMIT: Final = 50
WINDOW: Final = 60.0
OTHERS: Final = 50


class Stage:
    """A server whose clock moves when all threads wait, an export by eight threads, and the time of each request."""

    def __init__(self, others: int, user_limit: int | None, organization_limit: int | None) -> None:
        settings = Settings(user_limit=user_limit, organization_limit=organization_limit, rate_window=WINDOW)
        self.clock = SharedClock(threads=THREADS + others)
        self.server = FakeBuildkite(populate=False, settings=settings, clock=self.clock)
        self.records = self.server.add_builds("web", PAGES, newest=self.clock.now() - 1)
        self.began = self.clock.now()
        self.arrivals: list[float] = []
        settings.drift = self._note
        self.errors: list[Exception] = []
        self.waits: list[Wait] = []

    def _note(self, payload: Any) -> Any:
        self.arrivals.append(self.clock.now())
        return payload

    @property
    def took(self) -> float:
        return self.clock.now() - self.began

    def client(self, *, reserve: float = 0.0, **policy: Any) -> Buildkite:
        """Return a client whose waits are recorded."""
        return self.server.client(reserve=reserve, retry=RetryPolicy(on_wait=self.waits.append, **policy))

    def refused(self) -> int:
        return sum(request.status == 429 for request in self.server.requests)

    def successes(self) -> int:
        return sum(request.status == 200 for request in self.server.requests)

    def busiest(self) -> int:
        """Return the number of requests in the busiest window."""
        return max(Counter(int((at - self.began) // (WINDOW + 1)) for at in self.arrivals).values())

    def export(self, bk: Buildkite, *others: Callable[[], object]) -> list[str]:
        """Request all pages of one build each, by eight threads; `others` run concurrently."""
        builds = bk.organization("acme").pipeline("web").builds().per_page(1)
        numbers, lock, found = iter(range(1, PAGES + 1)), threading.Lock(), dict[int, str]()

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                (build,) = builds.page(number).items
                found[number] = build.id

        def run(task: Callable[[], object]) -> None:
            with self.clock.thread():
                try:
                    task()
                except RateLimitError as error:
                    self.errors.append(error)

        with ThreadPoolExecutor(THREADS + len(others)) as pool:
            list(pool.map(run, [*[work] * THREADS, *others]))
        return [found[number] for number in sorted(found)]

    def wanted(self) -> list[str]:
        return [record.id for record in reversed(self.records)]


@contextmanager
def staged(
    *, others: int = 0, user_limit: int | None = None, organization_limit: int | None = None
) -> Generator[Stage]:
    """Yield a stage on which several threads send requests concurrently."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(OFTEN)
    try:
        stage = Stage(others, user_limit, organization_limit)
        with stage.server, _waits_checked(stage):
            yield stage
    finally:
        sys.setswitchinterval(before)


class _Count(logging.Handler):
    """Counts the log lines about waits."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().startswith("waiting ")


@contextmanager
def _waits_checked(stage: Stage) -> Generator[None]:
    """Check that each wait has a log line and a call of `on_wait`, and takes the announced time."""
    logger, count = logging.getLogger("buildkite_orm"), _Count()
    level = logger.level
    logger.addHandler(count)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(count)
    assert count.lines == len(stage.waits)
    assert max((wait.seconds for wait in stage.waits), default=0) <= WINDOW + 1
    assert {wait.until for wait in stage.waits} <= set(stage.arrivals)


def least(requests: int, limit: int) -> float:
    """Return the least time for this many requests: all windows but the last have to pass."""
    return (ceil(requests / limit) - 1) * WINDOW


def _cells(stage: Stage, limit: int) -> Cells:
    """Return the cells of an export without other clients."""
    shortest = least(PAGES, limit)
    assert (stage.errors, stage.refused()) == ([], 0)
    assert shortest <= stage.took <= shortest * 1.02
    sent = len(stage.server.requests)
    return "right", str(sent), f"{shortest:g} s", f"{stage.took:g} s", str(stage.refused()), str(len(stage.waits))


def alone(user: int | None, organization: int | None) -> Cells:
    with staged(user_limit=user, organization_limit=organization) as stage:
        with stage.client() as bk:
            assert stage.export(bk) == stage.wanted()
        assert len(stage.server.requests) == PAGES
        return _cells(stage, LIMIT)


def with_another_client() -> Cells:
    """Another client of the same user sends a request every three seconds, and ignores the budget."""
    with staged(others=1, user_limit=LIMIT) as stage:

        def eat() -> None:
            for number in range(OTHERS):
                stage.clock.wait_until(stage.began + 3 * number)
                other.user()

        with stage.client() as bk, stage.client() as other:
            assert stage.export(bk, eat) == stage.wanted()
    assert stage.errors == []
    sent = PAGES + OTHERS
    assert stage.successes() == sent
    longest = max(least(sent, LIMIT) + WINDOW + 5, 3 * OTHERS)
    assert stage.took <= longest
    # when a window begins, each thread may get one 429, but no thread gets several
    most = int(longest // WINDOW + 1) * (THREADS + 1)
    assert stage.refused() <= most
    return "right", str(sent), f"{least(sent, LIMIT):g} s", f"at most {longest:g} s", f"at most {most}", "varies"


def with_a_reserve() -> Cells:
    with staged(organization_limit=LIMIT) as stage:
        with stage.client(reserve=0.2) as bk:
            assert stage.export(bk) == stage.wanted()
        assert stage.busiest() == LIMIT * 0.8
        return _cells(stage, 40)


def while_others_use_the_reserve() -> Cells:
    with staged(others=1, organization_limit=LIMIT) as stage:

        def use() -> None:
            for number in range(12):
                stage.clock.wait_until(stage.began + 15 * number + 2)
                other.organization("acme").fetch()

        with stage.client(reserve=0.2) as bk, stage.client(max_wait=0) as other:
            assert stage.export(bk, use) == stage.wanted()
        return _cells(stage, 40)


def beyond_max_wait() -> Cells:
    with staged(user_limit=LIMIT) as stage, stage.client(max_wait=30) as bk:
        assert set(stage.export(bk)) < set(stage.wanted())
    assert len(stage.errors) == THREADS
    assert (stage.took, len(stage.server.requests)) == (0, LIMIT)
    (kind,) = {type(error).__name__ for error in stage.errors}
    sent = len(stage.server.requests)
    return (
        f"`{kind}`, in each thread",
        str(sent),
        "-",
        f"{stage.took:g} s",
        str(stage.refused()),
        str(len(stage.waits)),
    )


TABLE: Final = Table(
    title="Request budgets",
    note=f"""\
An export of {PAGES} pages, by {THREADS} threads of one client, from a server that allows {LIMIT} requests in {WINDOW:g}
seconds. The time is that of the fake's clock, which moves only when all threads wait; a window ends with the second
after it. The least time is that in which all windows but the last pass. Each wait was reported by a line in the log and
by `RetryPolicy(on_wait=…)`. If other clients use the same budget, each thread may get one 429 when a window begins;
figures with "at most" vary from run to run.
""",
    columns=("result", "requests", "least time", "time taken", "refused (429)", "waits"),
    rows=(
        Row(f"{LIMIT} for the user", partial(alone, LIMIT, None)),
        Row(f"{LIMIT} for the organization", partial(alone, None, LIMIT)),
        Row(f"{LIMIT} for the user, 200 for the organization", partial(alone, LIMIT, 200)),
        Row(f"{LIMIT} for the user, shared with another client", with_another_client),
        Row(f"{LIMIT} for the organization, `reserve=0.2`", with_a_reserve),
        Row("the same, while others use the reserve", while_others_use_the_reserve),
        Row("a wait longer than `max_wait`", beyond_max_wait),
    ),
)
