"""Locks that a forked child does not share with its parent, and that Ctrl-C does not leave locked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.utils import forking
from buildkite_orm.utils.forking import ForkSafeLock

if TYPE_CHECKING:
    from types import FrameType


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


FORK_DURING_AN_IMPORT = """
import importlib.abc, importlib.machinery, os, signal, sys, threading
import buildkite_orm.utils.forking

class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    began, may_end = threading.Event(), threading.Event()

    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "buildkite_orm.slow" else None

    def exec_module(self, module):
        self.began.set()
        self.may_end.wait(60)
        module.ready = True

sys.meta_path.insert(0, Slow())
threading.Thread(target=__import__, args=("buildkite_orm.slow",)).start()
Slow.began.wait(60)
threading.Timer(0.2, Slow.may_end.set).start()
child = os.fork()
if child == 0:
    signal.alarm(10)  # a child that waits for the import is killed
    from buildkite_orm.slow import ready
    os._exit(0 if ready else 1)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_fork_waits_for_the_imports_of_other_threads() -> None:
    program = [sys.executable, "-W", "ignore", "-c", FORK_DURING_AN_IMPORT]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n", done.stderr
