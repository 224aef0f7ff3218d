"""The styles of states, and their colors in the light and the dark theme."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class StatusStyle(StrEnum):
    """The style of a state."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    WAITING = "waiting"
    BLOCKED = "blocked"
    QUIET = "quiet"

    @property
    def light(self) -> str:
        """The color in the light theme, such as `#1a7f37`."""
        return _COLORS[self].light

    @property
    def dark(self) -> str:
        """The color in the dark theme, such as `#57c97a`."""
        return _COLORS[self].dark

    @property
    def style(self) -> str:
        """The name of the rich style in a terminal, which chooses the shade."""
        return _COLORS[self].style


class _Colors(NamedTuple):
    light: str
    dark: str
    style: str


_COLORS: Final = {
    StatusStyle.GOOD: _Colors("#1a7f37", "#57c97a", "green"),
    StatusStyle.BAD: _Colors("#c62828", "#ff8178", "bold red"),
    StatusStyle.BUSY: _Colors("#0b63c5", "#6cb6ff", "cyan"),
    StatusStyle.WAITING: _Colors("#8a5a00", "#e0b040", "yellow"),
    StatusStyle.BLOCKED: _Colors("#7a3fb8", "#c99cf0", "magenta"),
    StatusStyle.QUIET: _Colors("#5f6670", "#a0a8b3", "dim"),
}

_STATES: Final = {
    StatusStyle.GOOD: "passed success finished connected unblocked ready enabled active verified available",
    StatusStyle.BAD: (
        "failed failing error timed_out timing_out expired lost waiting_failed blocked_failed unblocked_failed "
        "promised soft_failed"
    ),
    StatusStyle.BUSY: "running assigned accepted canceling creating stopping info processing uploading building",
    StatusStyle.WAITING: "scheduled waiting limiting limited pending new warning paused unknown",
    StatusStyle.BLOCKED: "blocked",
}
_STYLES: Final = {state: style for style, states in _STATES.items() for state in states.split()}


def style_of(state: object, *, blocked: bool = False) -> StatusStyle:
    """Return the style of a state of any resource.

    Args:
        state: The state of a build, a job, an agent, …; an unknown one is quiet.
        blocked: Whether the build waits to be unblocked, in any state.
    """
    return StatusStyle.BLOCKED if blocked else _STYLES.get(str(state).lower(), StatusStyle.QUIET)
