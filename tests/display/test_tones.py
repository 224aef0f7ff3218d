"""Tones: every state has one, and its colours can be read."""

from __future__ import annotations

import pytest

from buildkite_orm.models import enums as states
from buildkite_orm.models.enums import AgentConnectionState, BuildState, JobState
from buildkite_orm.views.display.status_colors import Tone, tone_of

DARK_GROUND = "#1e1e1e"


def luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("tone", Tone)
def test_the_colours_can_be_read(tone: Tone) -> None:
    assert contrast(tone.light, "#ffffff") >= 4.5
    assert contrast(tone.dark, DARK_GROUND) >= 4.5


def test_each_tone_has_a_look_of_its_own() -> None:
    for looks in ({tone.light for tone in Tone}, {tone.dark for tone in Tone}, {tone.style for tone in Tone}):
        assert len(looks) == len(Tone)


@pytest.mark.parametrize(
    ("state", "tone"),
    [
        (BuildState.PASSED, Tone.GOOD),
        (BuildState.FAILED, Tone.BAD),
        (BuildState.FAILING, Tone.BAD),
        (BuildState.RUNNING, Tone.BUSY),
        (BuildState.SCHEDULED, Tone.WAITING),
        (BuildState.BLOCKED, Tone.BLOCKED),
        (BuildState.NOT_RUN, Tone.QUIET),
        (JobState.TIMED_OUT, Tone.BAD),
        (JobState.BROKEN, Tone.QUIET),
        (AgentConnectionState.LOST, Tone.BAD),
        ("passed", Tone.GOOD),
        ("brand-new", Tone.QUIET),
        (BuildState("brand-new"), Tone.QUIET),
        (None, Tone.QUIET),
        (["odd"], Tone.QUIET),
    ],
)
def test_a_state_has_a_tone(state: object, tone: Tone) -> None:
    assert tone_of(state) is tone


def test_a_blocked_build_is_blocked_whatever_its_state_says() -> None:
    assert tone_of(BuildState.PASSED, blocked=True) is Tone.BLOCKED


@pytest.mark.parametrize("kind", [states.BuildState, states.JobState, states.AnnotationStyle, states.ArtifactState])
def test_only_what_is_over_without_a_result_is_quiet(kind: type[states.OpenEnum]) -> None:
    quiet = {str(state) for state in kind if tone_of(state) is Tone.QUIET}
    assert quiet <= {"canceled", "skipped", "not_run", "broken", "deleted"}
