"""Objects that a forked child must not share with its parent: locks that another thread held, and sockets."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Final, Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object that is renewed in a forked child."""

    def renew_after_fork(self) -> None:
        """Replace everything that the child must not share with its parent; only one thread runs."""
        ...


# Packages whose modules are imported when they are first used, by any thread.
_IMPORTED_LATE: Final = frozenset({"buildkite_orm", "pydantic", "requests", "tenacity", "urllib3"})

_objects: WeakSet[Renewable] = WeakSet()
_first: list[Renewable] = []
_forks = 0


def renew_after_fork(obj: Renewable, *, first: bool = False) -> None:
    """Register an object whose `renew_after_fork()` is called in every child that is forked while it lives.

    Args:
        obj: The object.
        first: Whether it is called before all others, and the object lives as long as the process.
    """
    if first:
        _first.append(obj)
    else:
        _objects.add(obj)


class ForkSafeLock:
    """A lock that is free in a forked child, even if a thread of the parent held it at that moment."""

    __slots__ = ("_forks", "_lock")

    def __init__(self) -> None:
        self._forks = _forks
        self._lock = threading.Lock()

    @property
    def current(self) -> threading.Lock:
        """The lock to use in a `with`; in a forked child, another one than in its parent.

        A `with` of this object itself would run Python code, in which Ctrl-C could leave the lock locked.
        """
        if self._forks != _forks:
            self._renew()
        return self._lock

    def _renew(self) -> None:
        with _renewing:
            if self._forks != _forks:
                self._lock, self._forks = threading.Lock(), _forks


_renewing = threading.Lock()


def _finish_imports() -> None:
    """Wait for the modules that other threads are importing: in a child, the locks of these would never be released."""
    for name, module in list(sys.modules.items()):
        is_unfinished = getattr(getattr(module, "__spec__", None), "_initializing", False)
        if is_unfinished and name.partition(".")[0] in _IMPORTED_LATE:
            with suppress(Exception):  # the thread that imports it gets the error
                import_module(name)


def _in_child() -> None:
    global _forks, _renewing  # noqa: PLW0603 - the process itself is what changed
    _forks += 1
    _renewing = threading.Lock()
    for obj in [*_first, *_objects]:
        obj.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_imports, after_in_child=_in_child)
