"""Open enums, and times in every form that the API was seen to write."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import buildkite_orm
from buildkite_orm import Build, BuildState, JobState, JobType, OpenEnum, Organization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

ENUMS = sorted(
    {
        value
        for name in buildkite_orm.__all__
        if isinstance(value := getattr(buildkite_orm, name), type) and issubclass(value, OpenEnum)
    }
    - {OpenEnum},
    key=lambda enum: enum.__name__,
)
STATES = [BuildState.PASSED, BuildState("brand-new"), BuildState(""), BuildState("PASSED")]
each_state = pytest.mark.parametrize("state", STATES, ids=repr)


def read(text: object) -> datetime:
    payload = {"id": "a", "url": "u", "name": "n", "slug": "s", "created_at": text}
    moment = Organization.model_validate(payload).created_at
    again = Organization.model_validate_json(json.dumps(payload)).created_at
    assert moment is not None
    assert again is not None
    assert moment == again
    assert moment.utcoffset() == again.utcoffset() == timedelta(0)
    return moment


# -- enums


@each_state
def test_a_state_equals_its_string_in_both_directions(state: BuildState) -> None:
    assert state == state.value
    assert state.value == state
    assert state != "something else"
    assert not (state != state.value)  # noqa: SIM202 - both operators are meant


@each_state
def test_a_state_prints_and_formats_as_its_string(state: BuildState) -> None:
    assert str(state) == state.value
    assert f"{state}" == state.value
    assert state + "-x" == f"{state.value}-x"
    assert f"{state:>12}" == state.value.rjust(12)


@each_state
def test_a_state_hashes_as_its_string(state: BuildState) -> None:
    assert hash(state) == hash(state.value)
    assert {state: 1}[BuildState(state.value)] == 1
    assert {str(state)} == {state}


@each_state
def test_a_state_survives_pickle_and_copy(state: BuildState) -> None:
    for twin in (pickle.loads(pickle.dumps(state)), copy.copy(state), copy.deepcopy(state)):  # noqa: S301 - our own
        assert twin == state
        assert type(twin) is BuildState


@each_state
def test_a_state_dumps_as_its_string(state: BuildState) -> None:
    assert json.dumps([state]) == json.dumps([state.value])
    adapter = TypeAdapter(BuildState)
    assert adapter.dump_python(state, mode="json") == state.value
    assert json.loads(adapter.dump_json(state)) == state.value


def test_a_known_state_is_one_member_and_a_new_one_equals_itself() -> None:
    assert BuildState("passed") is BuildState.PASSED
    assert BuildState("brand-new") == BuildState("brand-new")
    assert BuildState("brand-new") != BuildState("other")
    assert BuildState("brand-new") not in list(BuildState)


def test_a_state_says_whether_it_is_known() -> None:
    assert BuildState.PASSED.is_known
    assert not BuildState("brand-new").is_known
    assert not BuildState("PASSED").is_known, "a name is not a value"


def test_an_unknown_state_sends_no_control_characters_to_a_terminal() -> None:
    assert repr(BuildState("\x1b[2J")).isprintable()
    assert repr(BuildState("brand-new")) == "<BuildState: 'brand-new'>"
    assert repr(BuildState.PASSED) == "<BuildState.PASSED: 'passed'>"


def test_an_unknown_state_does_not_equal_a_member_of_another_enum() -> None:
    assert isinstance(BuildState("brand-new"), BuildState)
    assert not isinstance(BuildState("brand-new"), JobState)


def test_finished_is_a_filter_and_not_a_state() -> None:
    assert "finished" not in {state.value for state in BuildState}
    assert not hasattr(BuildState, "FINISHED")


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_enum_is_open_and_takes_only_strings(enum: type[OpenEnum]) -> None:
    adapter = TypeAdapter(enum)
    for value in [*enum, "brand-new"]:
        assert adapter.validate_python(str(value)) == value
        assert type(adapter.validate_json(json.dumps(value))) is enum
    for odd in (None, 5, True, ["passed"], {"a": 1}):
        with pytest.raises(ValidationError):
            adapter.validate_python(odd)


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_enum_has_members(enum: type[OpenEnum]) -> None:
    assert len(enum) >= 2
    assert [member.name for member in enum] == [member.value.upper() for member in enum]


def test_the_enums_have_the_documented_values() -> None:
    assert {state.value for state in BuildState} >= {
        *("running", "scheduled", "passed", "failing", "failed", "blocked", "canceled", "canceling", "skipped"),
        *("not_run", "waiting", "waiting_failed", "creating"),
    }
    assert {kind.value for kind in JobType} == {"script", "waiter", "manual", "trigger"}


@given(st.text())
def test_any_string_is_a_state_that_equals_it(text: str) -> None:
    state = BuildState(text)
    assert state == text
    assert hash(state) == hash(text)
    assert str(state) == text
    assert pickle.loads(pickle.dumps(state)) == text  # noqa: S301 - our own


# -- times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01T10:00:00.123Z", datetime(2026, 7, 1, 10, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2017-07-01T10:00:00.000Z", datetime(2017, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T10:00:00.123456Z", datetime(2026, 7, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2013-09-03 13:24:38 UTC", datetime(2013, 9, 3, 13, 24, 38, tzinfo=UTC)),
        ("2015-04-23 16:55:52 UTC", datetime(2015, 4, 23, 16, 55, 52, tzinfo=UTC)),
        ("2026-07-01T10:00:00+00:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T10:00:00+05:30", datetime(2026, 7, 1, 4, 30, tzinfo=UTC)),
        ("2026-07-01T00:30:00-09:00", datetime(2026, 7, 1, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_an_aware_datetime_in_utc(text: str, moment: datetime) -> None:
    assert read(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2012-03-04T56:07:08.910Z",
        "2026-07-01T10:00:00",
        "2026-07-01 10:00:00",
        "2026-07-01",
        "yesterday",
        "",
        " UTC",
        "2026",
        "1700000000",
        "1700000000000",
        1700000000,
        1.5,
        True,
        ["2026-07-01T10:00:00Z"],
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
    ],
)
def test_text_that_is_not_a_time_is_not_read_as_one(text: object) -> None:
    payload = {"id": "a", "url": "u", "name": "n", "slug": "s", "created_at": text}
    with pytest.raises(ValidationError, match="created_at"):
        Organization.model_validate(payload)
    with pytest.raises(ValidationError, match="created_at"):
        Organization.model_validate_json(json.dumps(payload))


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1), timezones=zones))  # noqa: DTZ001 - hypothesis wants them
def test_a_time_of_any_zone_is_the_same_moment_after_reading_and_dumping(moment: datetime) -> None:
    first = read(moment.isoformat())
    assert first == moment
    payload = {"id": "a", "url": "u", "name": "n", "slug": "s", "created_at": moment.isoformat()}
    assert read(Organization.model_validate(payload).dump()["created_at"]) == moment


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-07-01T00:00:00", "2026-99-99T00:00:00.000Z", 5, datetime.fromisoformat("2026-07-01")]
)
def test_the_error_for_what_is_not_a_time_is_one_and_names_the_form(value: object) -> None:
    payload = {"id": "x", "url": "u", "number": 1, "state": "passed", "commit": "a", "created_at": value}
    with pytest.raises(ValidationError) as caught:
        Build.model_validate(payload)
    (error,) = caught.value.errors(include_url=False, include_input=False)
    assert error["loc"] == ("created_at",)
    assert error["msg"] == (
        "a time is ISO 8601 text with a time zone, such as '2026-07-01T12:00:00.000Z', or a datetime with a time zone"
    )


def test_a_datetime_with_a_time_zone_is_kept_unchanged() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    payload = {"id": "a", "url": "u", "name": "n", "slug": "s", "created_at": moment}
    created_at = Organization.model_validate(payload).created_at
    assert created_at == moment
    assert created_at is not None
    assert created_at.utcoffset() == timedelta(0)
    with pytest.raises(ValidationError, match="created_at"):
        Organization.model_validate({**payload, "created_at": datetime(2026, 7, 1)})  # noqa: DTZ001 - the point


def datetimes(value: object) -> Iterator[datetime]:
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from datetimes(item)
    elif isinstance(value, BaseModel):
        for item in vars(value).values():
            yield from datetimes(item)


@pytest.mark.parametrize("legacy", [True, False])
def test_every_time_of_a_loaded_build_is_aware_and_in_utc(acme: FakeBuildkite, legacy: bool) -> None:  # noqa: FBT001 - a case
    acme.settings.legacy_times = legacy
    with acme.client(strict=True) as bk:
        builds = bk.organization("acme").builds(with_jobs=True)[:50]
    found = [moment for build in builds for moment in datetimes(build)]
    assert len(found) > 100
    assert {moment.utcoffset() for moment in found} == {timedelta(0)}


def test_a_blocked_build_keeps_its_last_state(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=1, state="passed", blocked=True)
    build: Build = bk.organization("acme").pipeline("web").build(1).fetch()
    assert (build.state, build.blocked) == (BuildState.PASSED, True)
    server.settings.blocked_state = True
    assert (build.reload().state, build.blocked) == (BuildState.BLOCKED, True)
