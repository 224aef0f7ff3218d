"""When schedules create builds: named intervals and crontab lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)").fullmatch
_RANGE = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?").fullmatch
_MODULO = re.compile(r"(.+)%([1-9]\d*)(?:\+(\d+))?").fullmatch
_WEEKS_BEGIN = date(2019, 1, 1)
_YEARS_AHEAD = 9  # February 29 occurs within these
_ZONED = 6


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, in every week or in one of `modulo` weeks."""

    number: int
    modulo: int = 1
    rest: int = 0

    def matches(self, day: date) -> bool:
        """Return whether a day matches."""
        weeks = (day - _WEEKS_BEGIN).days // 7
        return day.isoweekday() % 7 == self.number and weeks % self.modulo == self.rest % self.modulo


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed line; `days` and `weekdays` are None if any day matches, and -1 is the last day of a month."""

    minutes: list[int]
    hours: list[int]
    days: set[int] | None
    months: set[int]
    weekdays: list[Weekday] | None
    zone: tzinfo

    def after(self, moment: float) -> float | None:
        """Return the next moment after `moment`, or None."""
        today = datetime.fromtimestamp(moment, self.zone).date()
        for ahead in range(_YEARS_AHEAD * 366):
            day = today + timedelta(days=ahead)
            if day.month in self.months and self._on(day):
                for at in self._within(day):
                    if at > moment:
                        return at
        return None

    def _within(self, day: date) -> list[float]:
        return [
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).timestamp()
            for hour in self.hours
            for minute in self.minutes
        ]

    def _on(self, day: date) -> bool:
        """Return whether a day matches; if both kinds of day are given, either is enough."""
        is_last = (day + timedelta(days=1)).day == 1
        by_day = self.days is not None and (day.day in self.days or (is_last and -1 in self.days))
        by_weekday = self.weekdays is not None and any(each.matches(day) for each in self.weekdays)
        return by_day or by_weekday or (self.days is None and self.weekdays is None)


def read(line: str) -> Cron:
    """Parse a line.

    Raises:
        ValueError: It is invalid.
    """
    parts = _NAMED.get(line, line).split()
    zone = _zone(parts.pop()) if len(parts) == _ZONED else UTC
    minute, hour, day, month, weekday = parts
    return Cron(
        minutes=sorted(_numbers(minute, 0, 59)),
        hours=sorted(_numbers(hour, 0, 23)),
        days=None if day == "*" else _days(day),
        months=_numbers(month, 1, 12, _MONTHS),
        weekdays=None if weekday == "*" else [each for part in weekday.split(",") for each in _weekdays(part)],
        zone=zone,
    )


def _zone(name: str) -> tzinfo:
    found = _OFFSET(name)
    if found is None:
        try:
            return ZoneInfo(name)
        except (KeyError, OSError):
            raise ValueError(name) from None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(offset if found[1] == "+" else -offset)


def _days(text: str) -> set[int]:
    parts = text.split(",")
    last = {-1 for part in parts if part.lower() in {"l", "last"}}
    return last.union(*(_numbers(part, 1, 31) for part in parts if part.lower() not in {"l", "last"}))


def _weekdays(part: str) -> list[Weekday]:
    found = _MODULO(part)
    if found is None:
        return [Weekday(number % 7) for number in _numbers(part, 0, 7, _WEEKDAYS)]
    (number,) = _numbers(found[1], 0, 7, _WEEKDAYS)
    return [Weekday(number % 7, int(found[2]), int(found[3] or 0))]


def _numbers(text: str, least: int, most: int, names: tuple[str, ...] = ()) -> set[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        found = _RANGE(part)
        if found is None:
            raise ValueError(part)
        first = least if found[1] == "*" else _number(found[1], least, names)
        open_end = most if found[1] == "*" or found[3] else first
        last = _number(found[2], least, names) if found[2] else open_end
        if not least <= first <= last <= most:
            raise ValueError(part)
        numbers.update(range(first, last + 1, int(found[3] or 1)))
    return numbers


def _number(text: str, least: int, names: tuple[str, ...]) -> int:
    """Parse a number, or the name of one."""
    name = text[:3].lower()
    return names.index(name) + least if name in names else int(text)
