"""Threads: several that process items, and one that works concurrently with its caller.

`concurrent.futures` is not used: at interpreter shutdown its pools raise RuntimeError, and so does its first import;
and its threads cannot be left behind while they block. These are daemon threads. If none can be started (in
`atexit`), the caller's own thread does the work.
"""

from __future__ import annotations

import contextvars
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from buildkite_orm.utils.cancellation import Cancellation, check_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

T = TypeVar("T")
R = TypeVar("R")

# Waits are counted in polls: on Windows, Ctrl-C does not end a wait for a lock, and clocks may be frozen by tests.
_POLL: Final = 0.1
_NAME: Final = "buildkite_orm"
_GRACE: Final = 5
_MAX_POLLS: Final = 7


def start_thread(do: Callable[[], object]) -> threading.Thread | None:
    """Start a daemon thread with the context variables of this one; return None if no thread can be started.

    Args:
        do: The function to run.
    """
    try:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), name=_NAME, daemon=True)
        thread.start()
    except RuntimeError:  # interpreter shutdown, too many threads, or an interpreter without daemon threads
        return None
    return thread


def map_in_threads(do: Callable[[T], R], items: Sequence[T], *, workers: int, ahead: int | None = None) -> Generator[R]:
    """Call a function with each item, in several threads, and yield the results in the order of the items.

    After the first error, no further item is begun, the items before the failed one get half a second to end, and the
    rest is cancelled. An error or KeyboardInterrupt in the thread that iterates, or the early end of the iteration,
    cancels immediately. Threads that do not end within a second after that are abandoned.

    Args:
        do: The function; `current_cancellation()` is set while it runs in a thread of its own.
        items: The items.
        workers: How many threads to use at most; for one worker or one item, the caller's own thread is used.
        ahead: How many items may be begun before their results are consumed; any number, if None.
    """
    count = min(workers, len(items))
    run = _Run(do, items, ahead)
    try:
        if count > 1 and run.start(count):
            yield from run.results()
        else:
            yield from map(do, items)
    finally:
        run.stop()


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error in a worker, and the index of its item."""

    index: int
    error: BaseException


class _Run(Generic[T, R]):
    """The threads of one `map_in_threads`.

    The thread that iterates takes no lock in Python code, which an interrupt could leave locked.
    """

    def __init__(self, do: Callable[[T], R], items: Sequence[T], ahead: int | None) -> None:
        self._do = do
        self._count = len(items)
        self._todo = enumerate(items)
        self._taking = threading.Lock()
        self._is_over = False
        self._places: SimpleQueue[None] | None = None if ahead is None else SimpleQueue()
        for _ in range(ahead or 0):
            self._allow_next()
        self._done: SimpleQueue[tuple[int, R] | _Failure] = SimpleQueue()
        self._cancellation = Cancellation()
        self._threads: list[threading.Thread] = []
        self._failure: _Failure | None = None
        self._grace = _GRACE

    def start(self, count: int) -> bool:
        """Start threads; return whether there is at least one."""
        for _ in range(count):
            thread = start_thread(self._work)
            if thread is None:
                break
            self._threads.append(thread)
        return bool(self._threads)

    def results(self) -> Generator[R]:
        """Yield the results in order, and raise the first error."""
        early: dict[int, R] = {}
        for index in range(self._count):
            while index not in early:
                self._raise_failure(index)
                self._receive(early)
            self._allow_next()
            yield early.pop(index)

    def stop(self) -> None:
        """Cancel the work, and wait a moment for the threads to end."""
        self._failure = None  # an error and a frame that refer to each other are freed late
        self._is_over = True
        self._cancellation.cancel()
        polls = _MAX_POLLS
        for thread in self._threads:
            while polls and thread.is_alive() and thread is not threading.current_thread():
                thread.join(_POLL)
                polls -= 1

    def _work(self) -> None:
        with self._cancellation:
            while (taken := self._take()) is not None:
                index, item = taken
                try:
                    self._done.put((index, self._do(item)))
                except BaseException as error:  # noqa: BLE001 - raised in the other thread
                    self._is_over = True
                    self._done.put(_Failure(index, error))

    def _allow_next(self) -> None:
        """Allow one more item to be begun, since the result of another one was consumed."""
        if self._places is not None:
            self._places.put(None)

    def _has_place(self) -> bool:
        """Wait until an item may be begun; False if no item is to be begun any more."""
        while self._places is not None and not self._is_over:
            try:
                self._places.get(timeout=_POLL)
            except Empty:
                continue
            return True
        return not self._is_over

    def _take(self) -> tuple[int, T] | None:
        """Return the next item; None if none is left, or none is to be started."""
        if not self._has_place():
            return None
        with self._taking:
            return None if self._is_over else next(self._todo, None)

    def _receive(self, early: dict[int, R]) -> None:
        """Receive one result or error, or wait for a moment."""
        try:
            outcome = self._done.get(timeout=_POLL)
        except Empty:
            check_cancelled()
            self._grace -= self._failure is not None
            return
        if not isinstance(outcome, _Failure):
            early[outcome[0]] = outcome[1]
        elif self._failure is None or outcome.index < self._failure.index:
            self._failure = outcome

    def _raise_failure(self, index: int) -> None:
        """Raise the first error, unless the item of this index may still complete."""
        failure = self._failure
        if failure is None:
            return
        if failure.index > index and self._grace > 0 and isinstance(failure.error, Exception):
            return
        try:
            raise failure.error
        finally:
            del failure


class Background:
    """One thread that makes calls in order, concurrently with the thread that submits them.

    The thread is started with the first call; if that is not possible, calls are made immediately.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_busy = False

    def submit(self, call: Callable[[], object]) -> None:
        """Make a call when the previous one has ended; raise the error of the previous one."""
        self.wait()
        if self._thread is None:
            self._thread = start_thread(self._work)
        if self._thread is None:
            call()
            return
        self._is_busy = True
        self._calls.put(call)

    def wait(self) -> None:
        """Wait for the last call to end, and raise its error."""
        while self._is_busy:
            try:
                error = self._done.get(timeout=_POLL)
            except Empty:
                check_cancelled()
                continue
            self._is_busy = False
            if error is not None:
                raise error

    def close(self) -> None:
        """End the thread, and wait at most a second for its last call."""
        if self._thread is None:
            return
        self._calls.put(None)
        for _ in range(_MAX_POLLS):
            self._thread.join(_POLL)
            if not self._thread.is_alive():
                return

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - raised in the other thread
                self._done.put(error)
            else:
                self._done.put(None)
            del call  # it would hold its arguments until the next call
