"""Eight threads under a request budget: no slower than the budget makes it, nothing refused, and all of it right."""

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
MEALS: Final = 50


class Stage:
    """A server whose clock moves when all threads wait, an export over eight of them, and when each request came."""

    def __init__(self, others: int, user_limit: int | None, organization_limit: int | None) -> None:
        settings = Settings(user_limit=user_limit, organization_limit=organization_limit, rate_window=WINDOW)
        self.clock = SharedClock(threads=THREADS + others)
        self.server = FakeBuildkite(populate=False, settings=settings, clock=self.clock)
        self.records = self.server.add_builds("web", PAGES, newest=self.clock.now() - 1)
        self.began = self.clock.now()
        self.came: list[float] = []
        settings.drift = self._note
        self.errors: list[Exception] = []
        self.waits: list[Wait] = []

    def _note(self, payload: Any) -> Any:
        self.came.append(self.clock.now())
        return payload

    @property
    def took(self) -> float:
        return self.clock.now() - self.began

    def client(self, *, reserve: float = 0.0, **policy: Any) -> Buildkite:
        """Give a client that tells of its waits."""
        return self.server.client(reserve=reserve, retry=RetryPolicy(on_wait=self.waits.append, **policy))

    def refused(self) -> int:
        return sum(request.status == 429 for request in self.server.requests)

    def answered(self) -> int:
        return sum(request.status == 200 for request in self.server.requests)

    def busiest(self) -> int:
        """Count what came in the busiest of the windows."""
        return max(Counter(int((at - self.began) // (WINDOW + 1)) for at in self.came).values())

    def export(self, bk: Buildkite, *others: Callable[[], object]) -> list[str]:
        """Ask for all pages of one build each, by eight threads; others do something beside them."""
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
    """Have a stage on which requests of several threads are under way at the same time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(OFTEN)
    try:
        stage = Stage(others, user_limit, organization_limit)
        with stage.server, _as_told(stage):
            yield stage
    finally:
        sys.setswitchinterval(before)


class _Count(logging.Handler):
    """Counts the lines that tell of a wait."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().startswith("waiting ")


@contextmanager
def _as_told(stage: Stage) -> Generator[None]:
    """Check that each wait has a line in the log and a call of `on_wait`, and ends when it says."""
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
    assert {wait.until for wait in stage.waits} <= set(stage.came)


def least(requests: int, limit: int) -> float:
    """Give how long so many requests take at least: all windows but the last have to pass."""
    return (ceil(requests / limit) - 1) * WINDOW


def _told(stage: Stage, limit: int) -> Cells:
    """Give the cells of an export that nobody disturbs."""
    shortest = least(PAGES, limit)
    assert (stage.errors, stage.refused()) == ([], 0)
    assert shortest <= stage.took <= shortest * 1.02
    asked = len(stage.server.requests)
    return "right", str(asked), f"{shortest:g} s", f"{stage.took:g} s", str(stage.refused()), str(len(stage.waits))


def alone(user: int | None, organization: int | None) -> Cells:
    with staged(user_limit=user, organization_limit=organization) as stage:
        with stage.client() as bk:
            assert stage.export(bk) == stage.wanted()
        assert len(stage.server.requests) == PAGES
        return _told(stage, LIMIT)


def while_others_eat() -> Cells:
    """Another client of the same user asks every three seconds, and keeps to no budget."""
    with staged(others=1, user_limit=LIMIT) as stage:

        def eat() -> None:
            for number in range(MEALS):
                stage.clock.wait_until(stage.began + 3 * number)
                other.user()

        with stage.client() as bk, stage.client() as other:
            assert stage.export(bk, eat) == stage.wanted()
    assert stage.errors == []
    asked = PAGES + MEALS
    assert stage.answered() == asked
    longest = max(least(asked, LIMIT) + WINDOW + 5, 3 * MEALS)
    assert stage.took <= longest
    # at the edge of a window all threads may be refused once each; no thread is refused again and again
    most = int(longest // WINDOW + 1) * (THREADS + 1)
    assert stage.refused() <= most
    return "right", str(asked), f"{least(asked, LIMIT):g} s", f"at most {longest:g} s", f"at most {most}", "varies"


def with_a_reserve() -> Cells:
    with staged(organization_limit=LIMIT) as stage:
        with stage.client(reserve=0.2) as bk:
            assert stage.export(bk) == stage.wanted()
        assert stage.busiest() == LIMIT * 0.8
        return _told(stage, 40)


def while_others_use_the_reserve() -> Cells:
    with staged(others=1, organization_limit=LIMIT) as stage:

        def use() -> None:
            for number in range(12):
                stage.clock.wait_until(stage.began + 15 * number + 2)
                other.organization("acme").fetch()

        with stage.client(reserve=0.2) as bk, stage.client(max_wait=0) as other:
            assert stage.export(bk, use) == stage.wanted()
        return _told(stage, 40)


def past_the_bound() -> Cells:
    with staged(user_limit=LIMIT) as stage, stage.client(max_wait=30) as bk:
        assert set(stage.export(bk)) < set(stage.wanted())
    assert len(stage.errors) == THREADS
    assert (stage.took, len(stage.server.requests)) == (0, LIMIT)
    (kind,) = {type(error).__name__ for error in stage.errors}
    told = f"`{kind}`, in each thread"
    return told, str(len(stage.server.requests)), "-", f"{stage.took:g} s", str(stage.refused()), str(len(stage.waits))


TABLE: Final = Table(
    title="Request budgets",
    note=f"""\
An export of {PAGES} pages, by {THREADS} threads of one client, where the server allows {LIMIT} requests in {WINDOW:g}
seconds. Time is told by the fake's clock, which moves only when all threads wait; a window ends with the second after
it. The least possible time is that in which all windows but the last have passed. Each wait was told by a line in the
log and by `RetryPolicy(on_wait=…)`. Where others eat of a budget that is used up, each thread may be refused once as a
window begins; what is told as "at most" varies from run to run.
""",
    columns=("what comes", "requests", "least time", "time taken", "refused (429)", "waits"),
    rows=(
        Row(f"{LIMIT} for the user", partial(alone, LIMIT, None)),
        Row(f"{LIMIT} for the organization", partial(alone, None, LIMIT)),
        Row(f"{LIMIT} for the user, 200 for the organization", partial(alone, LIMIT, 200)),
        Row(f"{LIMIT} for the user, of which another client eats a part", while_others_eat),
        Row(f"{LIMIT} for the organization, `reserve=0.2`", with_a_reserve),
        Row("the same, while others use what it leaves", while_others_use_the_reserve),
        Row("a wait past `max_wait`", past_the_bound),
    ),
)
