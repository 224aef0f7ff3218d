"""Numbers and times in response headers, which may contain anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# ASCII digits only: int() also accepts those of other scripts, and fails on more than some thousand digits.
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)
# Rate limits of Buildkite have windows of minutes; a value above a day is not a number of seconds.
LONGEST_WINDOW: Final = 86_400
_LONGEST_DATE: Final = 64
_LONGEST_WAIT: Final = 1e9


def whole_number(value: str | None) -> int | None:
    """Return the integer in a header; None if it is not one, or has more than ten digits."""
    text = (value or "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds of `Retry-After`; None if it is missing or malformed.

    Args:
        headers: The headers of a response. A date counts from the response's own `Date`, if it has one.
        now: The wall time, in seconds since the Unix epoch.
    """
    value = _header(headers, "Retry-After")
    seconds = whole_number(value)
    if seconds is not None:
        return None if seconds < 0 else min(float(seconds), _LONGEST_WAIT)
    until = _http_date(value)
    if until is None:
        return None
    sent = _http_date(_header(headers, "Date"))
    return min(max(0.0, until - (now if sent is None else sent)), _LONGEST_WAIT)


def sent_at(headers: Mapping[str, str]) -> datetime | None:
    """Return the time of a response by the clock of its server; None if it is missing or malformed."""
    sent = _http_date(_header(headers, "Date"))
    return None if sent is None else datetime.fromtimestamp(sent, UTC)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """Return the value of a header, from a mapping that ignores case or has lower-case names."""
    return headers.get(name, headers.get(name.lower()))


@lru_cache(maxsize=4)  # several responses a second have the same
def _http_date(value: str | None) -> float | None:
    """Return an HTTP date as seconds since the Unix epoch."""
    if not value or len(value) > _LONGEST_DATE or not value.isascii():
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - seldom needed, and errors are imported first

    try:
        parsed: datetime = parsedate_to_datetime(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
