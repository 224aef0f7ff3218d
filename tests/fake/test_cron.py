"""When schedules create builds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from buildkite_orm.fake import cron

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("line", "following"),
    [
        ("@hourly", "2026-08-01T13:00"),
        ("@daily", "2026-08-02T00:00"),
        ("@midnight", "2026-08-02T00:00"),
        ("@weekly", "2026-08-02T00:00"),
        ("@monthly", "2026-09-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
        ("*/10 * * * *", "2026-08-01T12:10"),
        ("5-20/5 * * * *", "2026-08-01T12:05"),
        ("0 */4 * * *", "2026-08-01T16:00"),
        ("0 0 */2 * * +01:00", "2026-08-02T23:00"),
        ("0 8 * * * -03:30", "2026-08-02T11:30"),
        ("0 16 * * SUN", "2026-08-02T16:00"),
        ("0 0 * * 7", "2026-08-02T00:00"),
        ("0 0 * * mon-fri", "2026-08-03T00:00"),
        ("0 0 1 Jan,Oct *", "2026-10-01T00:00"),
        ("0 0 L * *", "2026-08-31T00:00"),
        ("0 0 15,last * *", "2026-08-15T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 * * 6%2", "2026-08-08T00:00"),
        ("0 0 * * 6%2+1", "2026-08-15T00:00"),
        ("30 4 13 * 5", "2026-08-07T04:30"),
    ],
)
def test_the_moment_after(line: str, following: str) -> None:
    moment = cron.read(line).after(NOW.timestamp())
    assert moment == datetime.fromisoformat(following).replace(tzinfo=UTC).timestamp()


def test_a_day_that_does_not_exist() -> None:
    assert cron.read("0 0 30 2 *").after(NOW.timestamp()) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "@fortnightly",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "5-1 * * * *",
        "0 ~ * * *",
        "*/0 * * * *",
        "0 0 * * 8",
        "0 0 * * 1%0",
        "0 0 * * * Mars/Base",
        "0 0 * * * ../etc",
    ],
)
def test_an_invalid_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one does not matter
        cron.read(line)
