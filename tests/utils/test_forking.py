"""Locks that a forked child does not share with its parent, and that Ctrl-C does not leave locked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from buildkite_orm.utils import forking
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from types import FrameType

    import pytest


class InterruptAt:
    """Raises KeyboardInterrupt at one step of the code of the module: the beginning or the end of a call."""

    def __init__(self, step: int) -> None:
        self.left = step

    def trace(self, frame: FrameType, event: str, _value: Any) -> Any:
        """Count the steps; see `sys.settrace`."""
        if frame.f_code.co_filename != forking.__file__:
            return None
        self.left -= event in {"call", "return"}
        if self.left == 0 and event in {"call", "return"}:
            raise KeyboardInterrupt
        return self.trace


def use(lock: ForkSafeLock) -> None:
    with lock.current:
        pass


def test_an_interrupt_at_any_step_leaves_the_lock_free(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    while True:
        lock, interrupt = ForkSafeLock(), InterruptAt(steps + 1)
        monkeypatch.setattr(forking, "_forks", steps + 1)  # so that the lock is renewed, too
        before = sys.gettrace()
        sys.settrace(interrupt.trace)
        try:
            use(lock)
        except KeyboardInterrupt:
            steps += 1
        finally:
            sys.settrace(before)
        assert not lock.current.locked()
        if interrupt.left > 0:
            break
    assert steps > 3


def test_a_lock_excludes_other_threads_until_its_block_ends() -> None:
    lock = ForkSafeLock()
    with lock.current:
        assert not lock.current.acquire(blocking=False)
    assert lock.current.acquire(blocking=False)
