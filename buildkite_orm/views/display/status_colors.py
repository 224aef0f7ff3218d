"""What a state feels like, and the colours that say so on light and on dark ground."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class StatusStyle(StrEnum):
    """What a state means to who looks at it."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    WAITING = "waiting"
    BLOCKED = "blocked"
    QUIET = "quiet"

    @property
    def light(self) -> str:
        """Its colour on white, as `#1a7f37`."""
        return _COLOURS[self].light

    @property
    def dark(self) -> str:
        """Its colour on a dark ground, as `#57c97a`."""
        return _COLOURS[self].dark

    @property
    def style(self) -> str:
        """Its style in a terminal, as rich names it; the terminal chooses the shade."""
        return _COLOURS[self].style


class _Colours(NamedTuple):
    light: str
    dark: str
    style: str


_COLOURS: Final = {
    StatusStyle.GOOD: _Colours("#1a7f37", "#57c97a", "green"),
    StatusStyle.BAD: _Colours("#c62828", "#ff8178", "bold red"),
    StatusStyle.BUSY: _Colours("#0b63c5", "#6cb6ff", "cyan"),
    StatusStyle.WAITING: _Colours("#8a5a00", "#e0b040", "yellow"),
    StatusStyle.BLOCKED: _Colours("#7a3fb8", "#c99cf0", "magenta"),
    StatusStyle.QUIET: _Colours("#5f6670", "#a0a8b3", "dim"),
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
_TONES: Final = {state: tone for tone, states in _STATES.items() for state in states.split()}


def style_of(state: object, *, blocked: bool = False) -> StatusStyle:
    """Tell the tone of a state, of whatever kind of thing.

    Args:
        state: The state of a build, a job, an agent, …; one that is not known is quiet.
        blocked: Whether it waits for somebody to unblock it, whatever its state says.
    """
    return StatusStyle.BLOCKED if blocked else _TONES.get(str(state).lower(), StatusStyle.QUIET)
