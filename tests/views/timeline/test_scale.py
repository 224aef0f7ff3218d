"""Round ticks for any duration, and text that fits."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm.views.timeline.scale import Scale, time_label
from tests.views.timeline.builds import NOON

LABELS: dict[float, list[str]] = {
    0.35: ["0", "0.1s", "0.2s", "0.3s"],
    4: ["0", "1s", "2s", "3s", "4s"],
    59: ["0", "10s", "20s", "30s", "40s", "50s"],
    95: ["0", "15s", "30s", "45s", "1m", "1m 15s", "1m 30s"],
    1572: ["0", "5m", "10m", "15m", "20m", "25m"],
    5400: ["0", "15m", "30m", "45m", "1h", "1h 15m", "1h 30m"],
    100_000: ["0", "6h", "12h", "18h", "1d"],
    3_000_000: ["0", "5d", "10d", "15d", "20d", "25d", "30d"],
}


@pytest.mark.parametrize(("seconds", "labels"), LABELS.items())
def test_ticks_are_round(seconds: float, labels: list[str]) -> None:
    scale = Scale(NOON, timedelta(seconds=seconds), 100, 500)
    assert [label for _, label in scale.ticks(7)] == labels


@given(st.floats(0.05, 80_000 * 365 * 86400.0), st.integers(1, 20))
def test_ticks_are_few_in_order_and_on_the_line(seconds: float, most: int) -> None:
    ticks = Scale(NOON, timedelta(seconds=seconds), 100, 500).ticks(most)
    assert 1 <= len(ticks) <= most + 1 or seconds > 365 * 86400 * 1000
    places = [place for place, _ in ticks]
    assert all(100 <= place <= 600.001 for place in places)
    assert all(early < late for early, late in pairwise(places))
    assert len({label for _, label in ticks}) == len(ticks)


def test_positions_are_proportional_to_time() -> None:
    scale = Scale(NOON, timedelta(seconds=100), 100, 500)
    assert [scale.position(NOON + timedelta(seconds=each)) for each in (0, 50, 100)] == [100, 350, 600]


def test_labels_omit_zero_units() -> None:
    assert [time_label(each) for each in (0, 0.5, 90, 3600, 90061)] == ["0", "0.5s", "1m 30s", "1h", "1d 1h 1m 1s"]
