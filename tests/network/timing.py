"""Measure how long a block takes, even if the clocks of the process are changed meanwhile."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

GRACE: Final = 0.5  # by which a deadline is kept
_now: Final = time.clock_gettime if hasattr(time, "clock_gettime") else None
_fallback: Final = time.perf_counter


def seconds() -> float:
    """Return seconds of a clock that nothing freezes."""
    return _now(time.CLOCK_MONOTONIC) if _now else _fallback()


@dataclass
class Elapsed:
    """The duration of a block, once it has ended."""

    seconds: float = 0.0


@contextmanager
def timed(*, at_least: float = 0.0, deadline: float) -> Generator[Elapsed]:
    """Assert that a block ends not before a time, and at its deadline, within `GRACE`."""
    began, elapsed = seconds(), Elapsed()
    yield elapsed
    elapsed.seconds = seconds() - began
    assert at_least <= elapsed.seconds <= deadline + GRACE, f"it took {elapsed.seconds:.2f} s"
