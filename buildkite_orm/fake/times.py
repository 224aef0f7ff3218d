"""Times: seconds in the state, ISO 8601 in payloads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm.fake.settings import Precision

_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?")

# the range that `iso` can write, in any precision
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def seconds(moment: datetime | float) -> float:
    """Return a moment as seconds since the epoch, to the millisecond, as records store them."""
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    return round(moment, 3)


@lru_cache(maxsize=1 << 14)
def iso(moment: float, precision: Precision = "milliseconds") -> str:
    """Return a moment in the format of the API: 2026-08-01T12:00:00.000Z."""
    if precision == "seconds":
        moment = int(moment)
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec=precision)
    return text.removesuffix("+00:00") + "Z"


def legacy(moment: float) -> str:
    """Return a moment in the old format of the API: 2013-09-03 13:24:38 UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def parse(text: str) -> float | None:
    """Parse a time; None if it is not ISO 8601, or if its year in UTC does not have four digits.

    An unescaped `+` in a query is decoded as a space.
    """
    if not _ISO_8601.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    timestamp = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), 6)
    return timestamp if _EARLIEST <= timestamp < _LATEST else None
