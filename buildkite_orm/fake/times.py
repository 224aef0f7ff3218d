"""Times: seconds inside, ISO 8601 outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm.fake.settings import Precision

_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?")

# what `iso` can write, in any precision
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def seconds(moment: datetime | float) -> float:
    """Give a moment as seconds since the epoch, to the millisecond, as records keep them."""
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    return round(moment, 3)


@lru_cache(maxsize=1 << 14)
def iso(moment: float, precision: Precision = "milliseconds") -> str:
    """Tell a moment as the API does: 2026-08-01T12:00:00.000Z."""
    if precision == "seconds":
        moment = int(moment)
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec=precision)
    return text.removesuffix("+00:00") + "Z"


def legacy(moment: float) -> str:
    """Tell a moment as the API did once: 2013-09-03 13:24:38 UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def parse(text: str) -> float | None:
    """Read a time; None where it is not ISO 8601, or no year of four digits in UTC.

    An unescaped `+` of a query arrives as a space.
    """
    if not _ISO_8601.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    told = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), 6)
    return told if _EARLIEST <= told < _LATEST else None
