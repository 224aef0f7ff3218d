"""Cancellation of the work of other threads: of waits, and of reads from sockets."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm.utils.clock import Clock

# The longest time until a wait notices that it is cancelled.
_POLL: Final = 0.2

_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class Cancelled(BaseException):
    """Raised in a thread whose work was cancelled."""


class Cancellation:
    """Cancels the work that several threads do inside `with cancellation:`.

    A thread notices it at its next wait, and at `check()`. Blocking calls are registered with `interruptible`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._interrupts: dict[object, Callable[[], object]] = {}
        self._is_cancelled = False
        self._local = threading.local()

    def __enter__(self) -> None:
        token = _current.set(self)
        self._local.tokens = [*getattr(self._local, "tokens", ()), token]

    def __exit__(self, *_: object) -> None:
        *self._local.tokens, token = self._local.tokens
        _current.reset(token)

    def cancel(self) -> None:
        """Cancel the work: end blocking calls and all waits."""
        self._is_cancelled = True
        # Under the lock, so that no function is called after its block has ended: its socket may serve another thread.
        with self._lock:
            for interrupt in list(self._interrupts.values()):
                with suppress(Exception):  # a closed socket needs no interrupt
                    interrupt()

    def check(self) -> None:
        """Raise if the work was cancelled.

        Raises:
            Cancelled: It was.
        """
        if self._is_cancelled:
            raise Cancelled

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Generator[None]:
        """Register a function that `cancel()` calls, from its own thread, while the block runs.

        Args:
            interrupt: Ends the blocking call; it returns immediately, and does not use this object.

        Raises:
            Cancelled: The work was cancelled before the block, or in a block that ended with another error.
        """
        key = object()
        with self._lock:
            self.check()
            self._interrupts[key] = interrupt
        try:
            yield
        except Exception:
            self.check()  # the interrupt may be the cause
            raise
        finally:
            with self._lock:
                self._interrupts.pop(key, None)


def current_cancellation() -> Cancellation | None:
    """Return the cancellation of this thread's work, if there is one."""
    return _current.get()


def check_cancelled() -> None:
    """Raise if the work of this thread was cancelled.

    Raises:
        Cancelled: It was.
    """
    cancellation = _current.get()
    if cancellation is not None:
        cancellation.check()


def sleep(clock: Clock, seconds: float) -> None:
    """Sleep by a clock, in short pieces if the work of this thread may be cancelled.

    Raises:
        Cancelled: It was.
    """
    cancellation = _current.get()
    if cancellation is None:
        clock.sleep(seconds)
        return
    end = clock.monotonic() + seconds
    cancellation.check()
    while (left := end - clock.monotonic()) > 0:
        clock.sleep(min(left, _POLL))
        cancellation.check()
