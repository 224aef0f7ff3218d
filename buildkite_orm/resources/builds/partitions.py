"""The parts of a time range, for listings of builds that several processes read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, cast

from buildkite_orm.utils.plain_values import kind_of

_SHORTEST: Final = timedelta(seconds=1)
_MOST: Final = 100_000


def time_parts(since: datetime, until: datetime, by: timedelta) -> list[tuple[datetime, datetime]]:
    """Divide a range of time, which has its start and not its end, into parts that follow each other.

    Bounds between two parts are whole seconds: how the API compares the fractions of a second is not documented.

    Args:
        since: The start, aware.
        until: The end, aware.
        by: The length of a part; the last one may be shorter.

    Raises:
        TypeError: The length is not a timedelta.
        ValueError: It is less than a second, or there are too many parts.
    """
    if not isinstance(cast("object", by), timedelta):
        msg = f"partitions(by={by!r}): a timedelta, as timedelta(days=1), not {kind_of(by)}"
        raise TypeError(msg)
    if by < _SHORTEST:
        msg = f"partitions(by={by!r}): at least {_SHORTEST!r}, since parts begin at whole seconds"
        raise ValueError(msg)
    start, end = since.astimezone(UTC), until.astimezone(UTC)
    count = -((start - end) // by)
    if count > _MOST:
        msg = f"partitions(by={by!r}): {count} parts, more than {_MOST}; make them longer"
        raise ValueError(msg)
    if count < 1:
        return []
    inner = [(start + number * by).replace(microsecond=0) for number in range(1, count)]
    return list(pairwise([start, *inner, end]))
