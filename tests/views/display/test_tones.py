"""Tones: every state has one, and its colours can be read."""

from __future__ import annotations

import pytest

from buildkite_orm.models import enums as states
from buildkite_orm.models.enums import AgentConnectionState, BuildState, JobState
from buildkite_orm.views.display.status_colors import StatusStyle, style_of

DARK_GROUND = "#1e1e1e"


def luminance(color: str) -> float:
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("status_style", StatusStyle)
def test_the_colors_can_be_read(status_style: StatusStyle) -> None:
    assert contrast(status_style.light, "#ffffff") >= 4.5
    assert contrast(status_style.dark, DARK_GROUND) >= 4.5


def test_each_style_looks_different() -> None:
    for looks in (
        {status_style.light for status_style in StatusStyle},
        {status_style.dark for status_style in StatusStyle},
        {status_style.style for status_style in StatusStyle},
    ):
        assert len(looks) == len(StatusStyle)


@pytest.mark.parametrize(
    ("state", "status_style"),
    [
        (BuildState.PASSED, StatusStyle.GOOD),
        (BuildState.FAILED, StatusStyle.BAD),
        (BuildState.FAILING, StatusStyle.BAD),
        (BuildState.RUNNING, StatusStyle.BUSY),
        (BuildState.SCHEDULED, StatusStyle.WAITING),
        (BuildState.BLOCKED, StatusStyle.BLOCKED),
        (BuildState.NOT_RUN, StatusStyle.QUIET),
        (JobState.TIMED_OUT, StatusStyle.BAD),
        (JobState.BROKEN, StatusStyle.QUIET),
        (AgentConnectionState.LOST, StatusStyle.BAD),
        ("passed", StatusStyle.GOOD),
        ("brand-new", StatusStyle.QUIET),
        (BuildState("brand-new"), StatusStyle.QUIET),
        (None, StatusStyle.QUIET),
        (["odd"], StatusStyle.QUIET),
    ],
)
def test_a_state_has_a_style(state: object, status_style: StatusStyle) -> None:
    assert style_of(state) is status_style


def test_a_blocked_build_is_blocked_in_any_state() -> None:
    assert style_of(BuildState.PASSED, blocked=True) is StatusStyle.BLOCKED


@pytest.mark.parametrize("kind", [states.BuildState, states.JobState, states.AnnotationStyle, states.ArtifactState])
def test_only_finished_states_without_result_are_quiet(kind: type[states.OpenEnum]) -> None:
    quiet = {str(state) for state in kind if style_of(state) is StatusStyle.QUIET}
    assert quiet <= {"canceled", "skipped", "not_run", "broken", "deleted"}
