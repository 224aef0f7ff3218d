"""The clock of the demo: it runs as its source does, and faster while something waits."""

from __future__ import annotations

import pytest

from buildkite_orm.fake import FakeBuildkite, ManualClock
from buildkite_orm.fake.demo_clock import DemoClock


def test_it_runs_as_its_source_while_nothing_waits() -> None:
    source = ManualClock()
    clock = DemoClock(100, source=source)
    source.advance(7)
    assert clock.now() == source.now()


def test_a_wait_is_shorter_for_its_source() -> None:
    source = ManualClock()
    clock, before = DemoClock(100, source=source), source.now()
    clock.sleep(600)
    clock.wait_until(clock.now() + 300)
    assert source.now() - before == pytest.approx(9, abs=0.2)
    assert clock.now() - before == pytest.approx(900, abs=10)
    assert clock.speed == 1


def test_half_an_hour_of_a_build_takes_seconds() -> None:
    source = ManualClock()
    with FakeBuildkite(clock=DemoClock(100, source=source)) as server, server.client() as bk:
        before = source.now()
        build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
        assert build.wait().state == "passed"
        assert build.duration is not None
        assert build.duration.total_seconds() > 1500
        assert source.now() - before < 25
