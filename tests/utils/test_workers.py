"""Threads that do the same with different items, what ends them early, and what happens where none can be started."""

from __future__ import annotations

import ast
import contextvars
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import buildkite_orm
from buildkite_orm.fake import ManualClock
from buildkite_orm.utils.cancellation import Cancellation, Cancelled, check_cancelled, current_cancellation, sleep
from buildkite_orm.utils.workers import Background, map_in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND = 20.0  # seconds, after which a test fails instead of hanging


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that is set at the end of the test, for the threads that wait for it."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start threads, as the interpreter does at its shutdown."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)


def is_here(_: object) -> bool:
    return threading.current_thread() is threading.main_thread()


# -- results


@given(st.lists(st.integers(), max_size=30), st.integers(1, 8))
def test_results_are_in_the_order_of_the_items(items: list[int], count: int) -> None:
    assert list(map_in_threads(lambda item: item * 2, items, workers=count)) == [item * 2 for item in items]


def test_as_many_items_are_worked_on_at_once_as_there_are_workers() -> None:
    barrier = threading.Barrier(3, timeout=BOUND)
    assert len(list(map_in_threads(lambda _: barrier.wait(), range(6), workers=3))) == 6


def test_a_result_is_given_before_the_later_ones_are_there(released: threading.Event) -> None:
    results = map_in_threads(lambda item: item or released.wait(BOUND), [1, 2, 0], workers=3)
    assert (next(results), next(results)) == (1, 2)
    results.close()


@pytest.mark.parametrize(("items", "count"), [([1], 8), ([1, 2, 3], 1), ([], 4)])
def test_one_worker_or_one_item_needs_no_thread(items: list[int], count: int) -> None:
    assert list(map_in_threads(is_here, items, workers=count)) == [True] * len(items)


@pytest.mark.usefixtures("no_threads")
def test_if_no_thread_can_be_started_the_work_is_done_in_this_one() -> None:
    assert list(map_in_threads(is_here, range(3), workers=3)) == [True] * 3


def test_if_only_some_threads_can_be_started_those_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_once(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_once)
    assert list(map_in_threads(is_here, range(3), workers=3)) == [False] * 3


def test_the_context_variables_of_the_caller_hold_in_the_workers() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    assert list(map_in_threads(lambda _: variable.get(), range(4), workers=2)) == [7] * 4


def test_no_thread_is_left_at_the_end() -> None:
    before = set(threading.enumerate())
    list(map_in_threads(is_here, range(20), workers=8))
    assert set(threading.enumerate()) <= before


def test_items_are_taken_one_by_one_however_many_there_are() -> None:
    results = map_in_threads(lambda item: item, range(10**15), workers=2)
    assert (next(results), next(results)) == (0, 1)
    results.close()


# -- what ends it early


class Blocking:
    """Fails for one item, while all others block until they are interrupted."""

    def __init__(self, error: BaseException, *, others: int) -> None:
        self.interrupted = list[int]()
        self.begun = list[int]()
        self._error = error
        self._barrier = threading.Barrier(others + 1, timeout=BOUND)

    def __call__(self, item: int) -> int:
        self.begun.append(item)
        if item == 1:
            self._barrier.wait()
            raise self._error
        ended = threading.Event()
        cancellation = current_cancellation()
        assert cancellation is not None
        with cancellation.interruptible(ended.set):
            self._barrier.wait()
            ended.wait(BOUND)
        self.interrupted.append(item)
        check_cancelled()
        return item


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_the_first_error_interrupts_blocked_calls_and_starts_no_other(
    error: BaseException,
) -> None:
    blocking = Blocking(error, others=2)
    with pytest.raises(type(error)) as caught:
        list(map_in_threads(blocking, range(50), workers=3))
    assert caught.value is error
    assert sorted(blocking.begun) == [0, 1, 2]
    assert sorted(blocking.interrupted) == [0, 2]


def test_an_error_surfaces_although_others_cannot_be_interrupted(released: threading.Event) -> None:
    def do(item: int) -> None:
        if item == 5:
            raise KeyError(item)
        released.wait(BOUND)

    with pytest.raises(KeyError):
        list(map_in_threads(do, range(8), workers=8))
    assert not released.is_set()


def test_items_before_the_failed_one_may_still_end() -> None:
    has_failed = threading.Event()

    def do(item: int) -> int:
        if item == 2:
            has_failed.set()
            raise KeyError(item)
        has_failed.wait(BOUND)
        return item

    results = map_in_threads(do, range(3), workers=3)
    assert (next(results), next(results)) == (0, 1)
    with pytest.raises(KeyError):
        next(results)


def test_of_several_errors_the_one_of_the_first_item_is_raised() -> None:
    barrier = threading.Barrier(4, timeout=BOUND)

    def do(item: int) -> None:
        barrier.wait()
        raise KeyError(item)

    with pytest.raises(KeyError) as caught:
        list(map_in_threads(do, range(4), workers=4))
    assert caught.value.args == (0,)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_an_error_in_the_thread_that_iterates_cancels_the_workers(error: type[BaseException]) -> None:
    ended, barrier = list[bool](), threading.Barrier(4, timeout=BOUND)

    def do(item: int) -> int:
        cancellation, event = current_cancellation(), threading.Event()
        assert cancellation is not None
        with cancellation.interruptible(event.set):
            barrier.wait()
            if item:
                ended.append(event.wait(BOUND))
        return item

    with pytest.raises(error), closing(map_in_threads(do, range(4), workers=4)) as results:
        raise_after_first(results, error)
    assert ended == [True] * 3


def test_a_worker_that_reads_from_a_socket_ends_when_the_socket_is_shut_down() -> None:
    here, there = socket.socketpair()
    ended, barrier = list[bytes](), threading.Barrier(2, timeout=BOUND)

    def do(item: int) -> int:
        cancellation = current_cancellation()
        assert cancellation is not None
        if item:
            with cancellation.interruptible(lambda: here.shutdown(socket.SHUT_RDWR)):
                barrier.wait()
                ended.append(here.recv(1))
        else:
            barrier.wait()
        return item

    with here, there:
        here.settimeout(BOUND)
        with pytest.raises(KeyError), closing(map_in_threads(do, range(2), workers=2)) as results:
            raise_after_first(results, KeyError)
    assert ended == [b""]


def raise_after_first(results: Iterator[int], error: type[BaseException]) -> None:
    next(results)
    raise error


@pytest.mark.usefixtures("no_threads")
def test_an_error_in_this_thread_is_raised_as_it_is() -> None:
    def do(item: int) -> int:
        return 1 // item

    results = map_in_threads(do, [1, 0, 1], workers=3)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_workers_within_a_worker_end_with_it(released: threading.Event) -> None:
    """Cancelling the outer calls cancels the inner ones too."""
    inner_ended = threading.Event()

    def inner(_: int) -> None:
        cancellation = current_cancellation()
        event = threading.Event()
        assert cancellation is not None
        with cancellation.interruptible(event.set):
            if event.wait(BOUND):
                inner_ended.set()

    def outer(item: int) -> None:
        if item:
            raise KeyError(item)
        list(map_in_threads(inner, range(2), workers=2))

    with pytest.raises(KeyError):
        list(map_in_threads(outer, range(2), workers=2))
    assert inner_ended.wait(BOUND)
    assert not released.is_set()


# -- cancellation


def test_a_cancelled_wait_ends_and_an_interrupted_call_says_so() -> None:
    cancellation = Cancellation()
    with cancellation:
        sleep(ManualClock(), 5.0)
        cancellation.cancel()
        with pytest.raises(Cancelled):
            sleep(ManualClock(), 5.0)
        with pytest.raises(Cancelled), cancellation.interruptible(lambda: None):
            pass
    assert current_cancellation() is None


def test_an_error_that_the_interrupt_caused_is_reported_as_cancelled() -> None:
    cancellation = Cancellation()

    def reset() -> None:
        cancellation.cancel()
        raise ConnectionResetError

    with pytest.raises(Cancelled), cancellation.interruptible(lambda: None):
        reset()


def test_an_interrupt_that_fails_stops_no_other() -> None:
    cancellation, interrupted = Cancellation(), list[int]()

    def fail() -> None:
        raise OSError("closed")

    with cancellation.interruptible(fail), cancellation.interruptible(lambda: interrupted.append(1)):
        cancellation.cancel()
    assert interrupted == [1]


def test_an_ended_call_is_not_interrupted() -> None:
    cancellation, interrupted = Cancellation(), list[int]()
    with cancellation.interruptible(lambda: interrupted.append(1)):
        pass
    cancellation.cancel()
    assert interrupted == []


def test_cancellations_nest_in_one_thread() -> None:
    outer, inner = Cancellation(), Cancellation()
    with outer:
        with inner, inner:
            assert current_cancellation() is inner
        assert current_cancellation() is outer
    assert current_cancellation() is None


# -- next to


def test_calls_are_made_next_to_and_in_order() -> None:
    made, background = list[tuple[int, bool]](), Background()
    for number in range(5):
        background.submit(lambda number=number: made.append((number, is_here(None))))  # type: ignore[misc]
    background.wait()
    background.close()
    assert made == [(number, False) for number in range(5)]


@pytest.mark.usefixtures("no_threads")
def test_if_no_thread_can_be_started_calls_are_made_at_once() -> None:
    made, background = list[bool](), Background()
    background.submit(lambda: made.append(is_here(None)))
    assert made == [True]
    background.wait()
    background.close()


def test_an_error_of_a_call_is_raised_by_the_next_one() -> None:
    background = Background()
    background.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        background.submit(lambda: None)
    background.wait()
    background.close()


def test_a_call_that_blocks_is_abandoned_if_the_work_is_cancelled(released: threading.Event) -> None:
    background, cancellation = Background(), Cancellation()
    with cancellation:
        background.submit(lambda: released.wait(BOUND))
        cancellation.cancel()
        with pytest.raises(Cancelled):
            background.wait()
    background.close()
    assert not released.is_set()


# -- the rest of the client


def test_the_client_never_imports_concurrent_futures() -> None:
    """Its first import fails at interpreter shutdown, and so do its pools."""
    folder = Path(buildkite_orm.__file__).parent
    importing = set[str]()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "concurrent" for name in names):
                importing.add(path.name)
    assert importing == set()
