"""Functions that many tests share: refs of the pipeline `acme/web`, and the ids of what was listed or added."""

from __future__ import annotations

import time
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildkite_orm import Buildkite, BuildRef, PipelineRef
    from buildkite_orm.fake.records import BuildRecord

needs_matplotlib: Final = pytest.mark.skipif(find_spec("matplotlib") is None, reason="install the extra check")
"""Skips a test if matplotlib is not installed."""


def web_pipeline(bk: Buildkite) -> PipelineRef:
    """Return a ref of the pipeline `acme/web`."""
    return bk.organization("acme").pipeline("web")


def web_build(bk: Buildkite, number: int = 1) -> BuildRef:
    """Return a ref of a build of `acme/web`."""
    return web_pipeline(bk).build(number)


def ids(items: Iterable[Any]) -> list[str]:
    """Return the ids of these items, in their order."""
    return [item.id for item in items]


def newest_first(records: Iterable[BuildRecord]) -> list[str]:
    """Return the ids of these builds as a listing has them: the newest first, and the later of two at one time."""
    return [record.id for record in sorted(records, key=lambda each: (each.created_at, each.sequence), reverse=True)]


def check_takes_linear_time(run: Callable[[int], object], size: int) -> None:
    """Check that four times the size takes at most eight times the CPU time."""

    def seconds(size: int) -> float:
        began = time.process_time()
        run(size)
        return time.process_time() - began

    run(1)  # imports take time too
    assert seconds(size) <= 8 * max(seconds(size // 4), 0.05)


def pytest_plugin_options() -> tuple[str, ...]:
    """Return the options that load the plugin of the library, if pytest does not load it by itself."""
    plugin = "buildkite_orm.testing.plugin"
    return () if any(entry.value == plugin for entry in entry_points(group="pytest11")) else ("-p", plugin)
