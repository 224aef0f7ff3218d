"""Times as the API writes them: ISO 8601, and `2013-09-03 13:24:38 UTC` in older payloads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_USUAL: Final = len("2013-09-03T13:24:38.000Z")


_NO_TIME: Final = (
    "a time is ISO 8601 text with a time zone, such as '2026-07-01T12:00:00.000Z', or a datetime with a time zone"
)


class WrittenTime(datetime):
    """A time that was not written in the usual form, with its text; times that are computed from it have none."""

    text: str | None = None

    def __repr__(self) -> str:
        return repr(datetime.combine(self.date(), self.timetz()))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Pickle and copy with the text."""
        return _written, (datetime.combine(self.date(), self.timetz()), self.text)


def _written(moment: datetime, text: str | None) -> WrittenTime:
    written = WrittenTime.combine(moment.date(), moment.timetz())
    written.text = text
    return written


class UtcTime:
    """Marks a datetime field as one that is aware, in UTC, and read from either form."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse the usual form without a Python call; only times in other forms take longer."""
        # pydantic reads "2015" as seconds since 1970; a pattern would take a twentieth of the time for a page of jobs
        dated = core_schema.str_schema(strict=True, min_length=_USUAL, max_length=_USUAL)
        usual = core_schema.chain_schema([dated, core_schema.datetime_schema(strict=False, tz_constraint=0)])
        other = core_schema.no_info_plain_validator_function(read_time)
        return core_schema.union_schema(
            [usual, other],
            mode="left_to_right",
            custom_error_type="time",
            custom_error_message=_NO_TIME,
            serialization=core_schema.plain_serializer_function_ser_schema(write_time, when_used="json-unless-none"),
        )


def read_time(value: object) -> datetime:
    """Read a time in any form that the API was seen to write; it keeps its text if `write_time` would write another.

    Raises:
        ValueError: It is not a time, or has no zone.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        iso = value.removesuffix(" UTC") + "+00:00" if value.endswith(" UTC") else value
        moment = datetime.fromisoformat(iso.upper())
    else:
        msg = f"a time is a string, not {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reads ValueError
    if moment.tzinfo is None:
        msg = "a time without a zone"
        raise ValueError(msg)
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        msg = "a time outside of the years 1 to 9999"
        raise ValueError(msg) from None
    return _written(utc, value) if isinstance(value, str) and value != write_time(utc) else utc


def write_time(moment: object) -> object:
    """Return a time as it was written, else as the API does, in milliseconds if exact; other values are unchanged."""
    if not isinstance(moment, datetime):
        return moment
    if isinstance(moment, WrittenTime) and moment.text is not None:
        return moment.text
    exact = "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=exact) + "Z"
