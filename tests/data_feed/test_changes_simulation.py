"""A simulation: after any history, and one more run without changes, the mirror equals the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm.data import windows
from buildkite_orm.data.checkpoint import FeedState
from buildkite_orm.fake.settings import Ending
from tests.data_feed.world import PIPELINES, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from buildkite_orm import BuildState
    from tests.data_feed.world import Step

DAY = 86400.0

steps = st.one_of(
    st.tuples(st.just("create"), st.integers(0, len(PIPELINES) - 1)),
    st.tuples(st.just("wait"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["cancel", "unblock", "retry", "retry_job"]), st.integers(0, 3)),
    st.tuples(st.just("read"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["crash", "run"]), st.just(0)),
)
worlds = st.fixed_dictionaries(
    {
        "without": st.lists(st.sampled_from(get_args(Ending)), unique=True),
        "keeps": st.booleans(),
        "off": st.sampled_from([0.0, DAY, -DAY]),
        "per_page": st.sampled_from([1, 2, 100]),
        "creating": st.sampled_from([1.0, 700.0]),
        "blocked_state": st.booleans(),
        "time_precision": st.sampled_from(["seconds", "milliseconds"]),
        "filter_precision": st.sampled_from(["seconds", "milliseconds"]),
    }
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(options=worlds, history=st.lists(steps, max_size=30))
def test_the_mirror_equals_the_server(options: dict[str, Any], history: list[Step]) -> None:
    assert World.make(**options).do(history).differences() == {}


# -- each part is needed: without it, a mirror stays wrong

HISTORIES: dict[str, tuple[dict[str, Any], list[Step]]] = {
    "a build that runs": ({}, [("create", 0), ("run", 0), ("wait", 1)]),
    "a build that has passed": ({}, [("create", 0), ("run", 0), ("wait", 4)]),
    "a build that is canceled before it starts": (
        {"without": ["canceled"], "creating": 700.0},
        [("create", 0), ("run", 0), ("cancel", 0), ("wait", 1)],
    ),
    "a build that waits for long, and is canceled": (
        {"without": ["canceled"], "creating": 9000.0},
        [("create", 0), ("wait", 4), ("run", 0), ("cancel", 0), ("wait", 1)],
    ),
    "a build that is unblocked, and canceled before it starts": (
        {"without": ["canceled"]},
        [("create", 2), ("wait", 4), ("run", 0), ("unblock", 0), ("cancel", 0), ("wait", 1)],
    ),
    "the first build that is blocked, after a retry": (
        {"without": ["blocked"]},
        [("create", 4), ("wait", 4), ("run", 0), ("retry", 0), ("wait", 2)],
    ),
    "a build that is unblocked while a run is interrupted": (
        {"without": ["canceled"], "creating": 700.0},
        [
            *[("create", 4), ("wait", 4), ("retry", 0), ("wait", 2)],  # a blocked build with a time, which has started
            *[("create", 2), ("create", 0), ("run", 0), ("wait", 4)],
            *[("read", 1), ("unblock", 1), ("crash", 0), ("run", 0)],
            *[("cancel", 1), ("wait", 1)],
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_the_mirror_equals_the_server_after(name: str) -> None:
    options, history = HISTORIES[name]
    assert World.make(**options).do(history).differences() == {}


@pytest.mark.parametrize(
    ("window", "history"),
    [
        (windows.Open, "a build that runs"),
        (windows.Finished, "a build that has passed"),
        (windows.Dropped, "a build that is canceled before it starts"),
        (windows.Unblocked, "a build that is unblocked, and canceled before it starts"),
    ],
)
def test_no_window_can_be_left_out(window: type[windows.Window], history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [each for each in windows.LATER_RUNS if type(each) is not window]
    assert len(left) == len(windows.LATER_RUNS) - 1
    monkeypatch.setattr(windows, "LATER_RUNS", left)
    options, steps = HISTORIES[history]
    assert len(World.make(**options).do(steps).differences()) == 1


def open_states(_self: windows.Open, _state: FeedState) -> Sequence[BuildState]:
    return windows.OPEN_STATES


def remember_nothing(_state: FeedState, _build: str, _created: datetime | None) -> None:
    """Replace `note_gate`."""


def complete_and_forget(state: FeedState, complete: Callable[[FeedState], None] = FeedState.complete) -> None:
    complete(state)
    state.open_before = None


WEAKER: dict[str, tuple[Any, str, Any]] = {
    "a build that waits for long, and is canceled": (windows, "dropped_from", windows.last_run),
    "a build that is unblocked, and canceled before it starts": (windows, "note_gate", remember_nothing),
    "the first build that is blocked, after a retry": (windows.Open, "states", open_states),
    "a build that is unblocked while a run is interrupted": (FeedState, "complete", complete_and_forget),
}


@pytest.mark.parametrize("history", WEAKER)
def test_no_rule_of_a_window_can_be_left_out(history: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*WEAKER[history])
    options, steps = HISTORIES[history]
    assert len(World.make(**options).do(steps).differences()) == 1
