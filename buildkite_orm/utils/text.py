"""Formatting for people: escaped text, durations, times, sizes, emoji."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SPANS: Final = (
    ("year", 365 * _DAY),
    ("month", 30 * _DAY),
    ("day", _DAY),
    ("hour", _HOUR),
    ("minute", _MINUTE),
    ("second", 1),
)
_NOW: Final = 5
_SIZES: Final = ("kB", "MB", "GB", "TB")
_THOUSAND: Final = 1000
_LONGEST: Final = 120
_MESSAGE: Final = 60
_PRECISE: Final = 9.95  # seconds, below which tenths are shown

# A joiner between two emoji combines them, and tags after a flag make another flag; elsewhere they are escaped.
# The last range contains emoji only, including those that this version of Python does not know.
_EMOJI: Final = "[\u2190-\u2bff\U0001f000-\U0001faff]"
_PIECE: Final = re.compile(
    f"({_EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]?(?:\u200d{_EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]?)+"
    "|\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
    "|[\U0001f000-\U0001faff])|.",
    re.DOTALL,
)
_KEPT_CHARS: Final = ("\n", "\t")
_KEPT: Final = re.compile("([\n\t])")
_CODE: Final = re.compile(r":[\w+-]+:")


def escape_control(text: str) -> str:
    r"""Escape unprintable characters, so that text of the server is safe in terminals and pages.

    Args:
        text: Any text.

    Returns:
        The text, with control characters, direction marks, invisible characters and the like as `\x1b` or `\u202e`.
    """
    return text if text.isprintable() else _PIECE.sub(_escaped, text)


def escape_lines(text: str) -> str:
    """Escape unprintable characters like `escape_control`, except newlines and tabs."""
    return text if text.isprintable() else "".join(map(_escaped_part, _KEPT.split(text)))


def _escaped_part(part: str) -> str:
    return part if part in _KEPT_CHARS else escape_control(part)


def one_line(text: str, most: int) -> str:
    """Return the first line that is not blank, escaped, and cut if it is too long.

    Args:
        text: Any text.
        most: The largest number of characters.
    """
    line = next((line for line in text.splitlines() if not line.isspace() and line), "")
    whole = " ".join(line.split())
    if len(shown := escape_control(whole)) <= most:
        return shown
    start = ""
    for piece in _PIECE.finditer(whole):
        if len(start) + len(following := _escaped(piece)) > most - 1:
            break
        start += following
    return f"{start.rstrip()}…"[:most]


def short_duration(delta: timedelta) -> str:
    """Format a duration in two units at most: `0.4s`, `12s`, `3m 12s`, `1h 04m`, `2d 3h`."""
    if delta < timedelta():
        return f"-{short_duration(abs(delta))}"
    if (exact := delta.total_seconds()) < _PRECISE:
        return f"{exact:.1f}".removesuffix(".0") + "s"
    seconds = round(exact)
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR}h"


def ago(when: datetime, now: datetime) -> str:
    """Return how long before or after now a moment is: `just now`, `5 minutes ago`, `in 2 hours`."""
    seconds = (now - when).total_seconds()
    if abs(seconds) < _NOW:
        return "just now"
    unit, size = next(span for span in _SPANS if abs(seconds) >= span[1])
    many = int(abs(seconds) / size)
    span = f"{many} {unit}{'' if many == 1 else 's'}"
    return f"{span} ago" if seconds > 0 else f"in {span}"


def short_size(size: int) -> str:
    """Format a number of bytes: `512 bytes`, `1.2 kB`, `34.0 MB`."""
    if size < _THOUSAND:
        return f"{size} byte{'' if size == 1 else 's'}"
    tenths, name = 0, ""
    for exponent, name in enumerate(_SIZES, 1):  # noqa: B007 - the last one is for all that is larger
        unit = _THOUSAND**exponent
        tenths = (10 * size + unit // 2) // unit  # without floats, since the size may be too large for one
        if tenths < 10 * _THOUSAND:
            break
    return f"{tenths // 10}.{tenths % 10} {name}"


def quoted(text: object) -> str:
    """Return the first line of a message in quotes; "" if it is not a message."""
    line = one_line(text, _MESSAGE) if isinstance(text, str) else ""
    return f'"{line}"' if line else ""


def format_value(value: object) -> str:
    """Return a value as short text; "" for a list or an object."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, timedelta):
        return short_duration(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return one_line(str(value), _LONGEST)
    return ""


def with_emoji(text: str) -> str:
    """Replace `:rocket:` by its emoji if the package `emoji` is installed and knows it."""
    if not _CODE.search(text):
        return text
    try:
        from emoji import emojize  # noqa: PLC0415 - an extra
    except ImportError:
        return text
    return emojize(text, language="alias")


def _escaped(piece: re.Match[str]) -> str:
    return piece[0] if piece[1] or piece[0].isprintable() else repr(piece[0])[1:-1]
