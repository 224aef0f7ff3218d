"""Rows of the cache that are damaged: what they had is requested again, or named as missing."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import NotCachedError
from tests.cache.conftest import web_of

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.cache.conftest import Clients

pytestmark = pytest.mark.usefixtures("month")


def update(folder: Path, change: str) -> None:
    """Change all rows."""
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as rows, rows:
        rows.execute(f"UPDATE entries SET {change}")  # noqa: S608 - our own


def analysis(bk: Buildkite) -> list[object]:
    return [build.dump() for build in web_of(bk).builds(with_jobs=True)]


@pytest.mark.parametrize(
    "change",
    [
        "data = 'text'",
        "data = 5",
        "data = x'5b5d'",  # an empty array
        "stamp = CAST(stamp AS BLOB)",
        "stored_at = 'text'",
        "used_at = 'text'",
    ],
)
def test_a_value_that_is_damaged_gives_no_other_result(
    month: FakeBuildkite, new_client: Clients, folder: Path, change: str
) -> None:
    expected = analysis(month.client())
    assert analysis(new_client()) == expected
    update(folder, change)
    with suppress(NotCachedError):
        assert analysis(new_client(mode="only")) == expected
    update(folder, change)
    assert analysis(new_client()) == expected


def test_a_damaged_page_of_builds_with_jobs_is_missing(new_client: Clients, folder: Path) -> None:
    analysis(new_client())
    update(folder, "data = substr(data, 2)")
    with pytest.raises(NotCachedError, match="a damaged page"):
        analysis(new_client(mode="only"))
