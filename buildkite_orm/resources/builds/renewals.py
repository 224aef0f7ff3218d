"""What is kept in mind when a build is begun again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm.session import Session


def renew(session: Session, build: str, last_end: datetime | None, *, rebuilt_as: str | None = None) -> None:
    """Keep in mind that a build was begun again: ends up to `last_end` do not count, nor any if that is not known."""
    end = last_end if isinstance(last_end, datetime) else None
    session.memory.renew(build, end, session.clock.monotonic(), rebuilt_as=rebuilt_as)


def before(moment: object) -> datetime | None:
    """Give the last time before another, where that is told exactly; one cut to seconds hides which came first."""
    if not isinstance(moment, datetime):
        return None
    return moment - timedelta(microseconds=1) if moment.microsecond else moment
