"""Fakes in forked processes."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object with locks."""

    def renew_locks(self) -> None:
        """Replace the locks, in a forked process in which the threads that hold them do not exist."""
        ...


_OBJECTS: weakref.WeakSet[Forkable] = weakref.WeakSet()


def renew_locks_after_fork(obj: Forkable) -> None:
    """Call `renew_locks()` of an object in every process that is forked while it lives."""
    _OBJECTS.add(obj)


def _renew_locks() -> None:
    for obj in list(_OBJECTS):
        obj.renew_locks()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_locks)
