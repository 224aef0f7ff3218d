"""`dump()` returns times as the server wrote them."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ScriptJob

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

WRITTEN = [
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05.000Z",
    "2026-01-02T03:04:05.120Z",
    "2026-01-02T03:04:05.12Z",
    "2026-01-02T03:04:05.123456Z",
    "2026-01-02 03:04:05 UTC",
    "2026-01-02T05:04:05+02:00",
    "2026-01-02T03:04:05.000+00:00",
]


def job_of(text: str) -> ScriptJob:
    return ScriptJob.model_validate_json(json.dumps({"id": "a", "type": "script", "created_at": text}))


@pytest.mark.parametrize("text", WRITTEN)
def test_a_time_is_dumped_as_it_was_written(text: str) -> None:
    job = job_of(text)
    copies = [job, copy.copy(job), copy.deepcopy(job), job.model_copy()]
    copies.append(pickle.loads(pickle.dumps(job)))  # noqa: S301 - our own
    for each in copies:
        assert each.dump()["created_at"] == text
        assert each.model_dump(mode="json")["created_at"] == text
        assert json.loads(each.model_dump_json())["created_at"] == text


@pytest.mark.parametrize("text", WRITTEN)
def test_a_time_in_any_form_is_a_time_like_others(text: str) -> None:
    time = job_of(text).created_at
    assert time is not None
    plain = datetime(2026, 1, 2, 3, 4, 5, time.microsecond, tzinfo=UTC)
    assert time == plain
    assert hash(time) == hash(plain)
    assert isinstance(time, datetime)
    assert repr(time).startswith("datetime.datetime(2026, 1, 2, 3, 4, 5")
    assert (time + timedelta(days=1)).isoformat() == (plain + timedelta(days=1)).isoformat()


def test_a_time_that_is_computed_from_a_written_one_has_the_usual_form() -> None:
    time = job_of("2026-01-02 03:04:05 UTC").created_at
    assert time is not None
    later: Any = {"id": "a", "type": "script", "created_at": time + timedelta(seconds=1)}
    assert ScriptJob.model_validate(later).dump()["created_at"] == "2026-01-02T03:04:06.000Z"


def test_all_times_of_a_listing_are_dumped_as_they_were_written(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=1)
    sent: list[Any] = []

    def cut(payload: Any) -> Any:
        text = json.dumps(payload).replace(".000Z", "Z")
        sent.append(json.loads(text))
        return sent[-1]

    server.settings.drift = cut
    (build,) = bk.organization("acme").pipeline("web").builds(with_jobs=True)
    assert build.dump() == sent[-1][0]
    assert build.created_at.microsecond == 0


def test_an_author_that_is_a_string_is_read_and_dumped(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=0)
    server.settings.drift = lambda builds: [{**build, "author": "Ada Lovelace"} for build in builds]
    (build,) = bk.organization("acme").pipeline("web").builds()
    assert build.drift == ()
    assert build.author is not None
    assert build.author.name == "Ada Lovelace"
    assert build.dump()["author"] == "Ada Lovelace"
    assert type(build).model_validate(build.dump()).dump() == build.dump()
