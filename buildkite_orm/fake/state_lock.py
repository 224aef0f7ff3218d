"""The lock of the state, which runs what has to wait until it is free."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StateLock:
    """A lock that its thread may take again; `on_release` is called each time that a thread has released it."""

    __slots__ = ("_depth", "_lock", "on_release")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self.on_release: Callable[[], object] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        is_free = self._depth == 0
        self._lock.release()
        if is_free and self.on_release is not None:
            self.on_release()

    def renew(self) -> None:
        """Free the lock in a forked process, in which the thread that holds it may not exist."""
        self._lock, self._depth = threading.RLock(), 0
