"""Values of the caller's own enums, and of other libraries: sent as what they stand for, or refused by name."""

from __future__ import annotations

import json
import pickle
from collections import UserString
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from buildkite_orm import BuildkiteError, BuildState
from buildkite_orm.http.encoding import encode_body, encode_path, encode_query
from buildkite_orm.utils.plain_values import as_plain, as_plain_data

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.querysets.queryset import QuerySet
    from tests.conftest import Costs, Sent

numpy = pytest.importorskip("numpy")

ID = "0190f1a2-0000-7000-8000-000000000001"


class OwnState(str, Enum):  # noqa: UP042 - see `Branch`
    FAILED = "failed"


class PlainState(Enum):
    FAILED = "failed"


class Branch(str, Enum):  # noqa: UP042 - the point
    """An enum of strings as it was written before `StrEnum`: `str()` gives `Branch.MAIN`."""

    MAIN = "main"
    FIX = "fix/#1"


class Loud(StrEnum):
    """One whose `str()` is another text."""

    MAIN = "main"

    def __str__(self) -> str:
        return "LOUD"


class Plain(Enum):
    MAIN = "main"
    SEVEN = 7


class Number(int, Enum):
    SEVEN = 7


class Whole(IntEnum):
    SEVEN = 7


class Shouting(str):
    """A string that prints as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class WithIndex:
    def __repr__(self) -> str:
        return "WithIndex()"

    def __index__(self) -> int:
        return 7


class WithItem:
    """As a scalar of numpy: `item()` gives the value."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"WithItem({self.value!r})"

    def item(self) -> object:
        return self.value


class Several:
    """As a series of polars: `item()` is for those of one value."""

    def __repr__(self) -> str:
        return "Several()"

    def item(self) -> object:
        raise ValueError("several values")


class Moment(datetime):
    """As pandas' Timestamp: a datetime with more digits."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return super().isoformat(sep, timespec) + "000789"


TEXTS: list[object] = [
    Branch.MAIN,
    Loud.MAIN,
    Plain.MAIN,
    Shouting("main"),
    UserString("main"),
    numpy.str_("main"),
    numpy.array("main"),
    WithItem("main"),
    Path("main"),
    PurePosixPath("main"),
]
NUMBERS: list[object] = [
    Number.SEVEN,
    Whole.SEVEN,
    Plain.SEVEN,
    numpy.int64(7),
    numpy.uint8(7),
    numpy.array(7),
    WithIndex(),
]
OTHERS: list[tuple[object, object]] = [
    (UUID(ID), ID),
    (numpy.bool_(True), True),
    (PurePosixPath("a/b"), "a/b"),
    (PureWindowsPath("a\\b"), "a/b"),
    (BuildState("brand-new"), "brand-new"),
]
MEANT = [(value, "main") for value in TEXTS] + [(value, 7) for value in NUMBERS] + OTHERS
NO_SCALARS: list[object] = [
    date(2026, 7, 1),
    Decimal(1),
    b"main",
    bytearray(b"main"),
    ...,
    timedelta(1),
    numpy.datetime64("2026-07-01"),
    numpy.datetime64(1, "ns"),
    numpy.timedelta64(1, "s"),
    numpy.array(["main", "fix"]),
    numpy.complex128(1),
    WithItem(7),
    Several(),
    Branch,
]
MOMENT = datetime(2026, 7, 1, tzinfo=UTC)
NO_KEYS: list[object] = [*NO_SCALARS, None, True, numpy.bool_(True), 1.5, numpy.float64(1), MOMENT, ["main"]]


# -- the values meant


@pytest.mark.parametrize(("value", "meant"), MEANT, ids=repr)
def test_a_value_stands_for_a_plain_one(value: object, meant: object) -> None:
    plain = as_plain(value)
    assert plain == meant
    assert type(plain) is type(meant)
    assert as_plain_data({"x": [value]}) == {"x": [meant]}


@pytest.mark.parametrize("value", NO_SCALARS, ids=repr)
def test_a_value_without_a_plain_form_stays_unchanged(value: object) -> None:
    assert as_plain(value) is value


# -- filters


@pytest.mark.parametrize(("value", "meant"), MEANT, ids=repr)
def test_a_filter_is_sent_as_its_value(value: object, meant: object) -> None:
    text = "true" if meant is True else str(meant)
    assert encode_query({"x": value}) == [("x", text)]
    assert encode_query({"x": [value]}) == [("x[]", text)]
    assert encode_query({"x": {"k": value}}) == [("x[k]", text)]


@pytest.mark.parametrize("value", [*NO_SCALARS, 1.5, numpy.float64(1), numpy.float32(1)], ids=repr)
def test_a_filter_that_is_not_a_value_is_refused_with_its_name_and_the_accepted_types(value: object) -> None:
    for given in ({"created_by": value}, {"created_by": [value]}, {"created_by": {"k": value}}):
        with pytest.raises(TypeError, match=r"created_by.*a string, number, bool, aware datetime"):
            encode_query(given)


@pytest.mark.parametrize("branch", [Branch.FIX, Plain("main"), numpy.str_("fix/#1"), PurePosixPath("fix/#1")], ids=repr)
def test_builds_are_found_by_a_branch_of_the_caller_s_own_enum(
    server: FakeBuildkite, bk: Buildkite, branch: Any
) -> None:
    for name in ("main", "fix/#1", "Branch.MAIN"):
        server.add_build("web", branch=name)
    builds = bk.organization("acme").builds
    meant = as_plain(branch)
    assert [build.branch for build in builds(branch=branch)] == [meant]
    assert [build.branch for build in builds(branch=[branch])] == [meant]
    assert f"branch={meant}" in repr(builds(branch=branch))


def test_the_keys_of_a_filter_are_sent_as_their_values(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", meta_data={"main": "main"})
    server.add_build("web", meta_data={"main": "fix"})
    found: Any = {Branch.MAIN: Loud.MAIN}
    assert bk.organization("acme").builds(meta_data=found).one().meta_data == {"main": "main"}
    with pytest.raises(TypeError, match="meta_data: a key is a string"):
        bk.organization("acme").builds(meta_data={None: "x"})  # type: ignore[dict-item]


def test_a_filter_that_the_client_applies_takes_them_too(server: FakeBuildkite, bk: Buildkite) -> None:
    class Names(str, Enum):  # noqa: UP042 - the point
        LOGS = "**/*.log"

    record = server.add_build("web", jobs=1)
    server.add_artifact(record.jobs[0], "logs/a.log", b"x")
    server.add_artifact(record.jobs[0], "logs/a.txt", b"x")
    artifacts = bk.organization("acme").pipeline("web").build(record.number).artifacts
    for path in (Names.LOGS, [Names.LOGS, Names.LOGS], Path("**/*.log"), numpy.str_("**/*.log")):
        assert [artifact.path for artifact in artifacts(path=path)] == ["logs/a.log"]  # type: ignore[arg-type]


def test_half_of_a_character_in_a_filter_is_refused_by_name(bk: Buildkite, costs: Costs) -> None:
    with costs(0), pytest.raises(ValueError, match=r"branch=.*half of a character"):
        bk.organization("acme").builds(branch="half \ud83d")


# -- times


def test_a_time_of_a_subclass_is_sent_as_a_time(server: FakeBuildkite, bk: Buildkite) -> None:
    moment = Moment(2026, 7, 1, 10, tzinfo=UTC)
    server.add_build("web", created_at=datetime(2026, 7, 1, 10, tzinfo=UTC))
    server.add_build("web", created_at=datetime(2026, 7, 1, 9, tzinfo=UTC))
    assert encode_query({"x": moment}) == [("x", "2026-07-01T10:00:00Z")]
    assert encode_body({"x": moment}) == {"x": "2026-07-01T10:00:00Z"}
    assert len(list(bk.organization("acme").builds(created_from=moment))) == 1
    assert len(list(bk.organization("acme").builds(created_to=moment))) == 1


def test_a_time_that_is_none_is_refused_by_name() -> None:
    class NaT(datetime):
        """As pandas' NaT: a datetime whose year is not a number."""

        year = float("nan")  # type: ignore[assignment]

    nothing: Any = NaT(2026, 7, 1)
    with pytest.raises(ValueError, match=r"created_from=.*has no time zone"):
        encode_query({"created_from": nothing})


def test_a_date_is_refused_and_the_error_names_the_accepted_types() -> None:
    with pytest.raises(TypeError, match=r"created_from=.*a date without a time of day: pass datetime\(…, tzinfo=UTC\)"):
        encode_query({"created_from": date(2026, 7, 1)})


# -- paths


@pytest.mark.parametrize(("value", "meant"), [each for each in MEANT if each[1] is not True], ids=repr)
def test_a_part_of_a_path_is_sent_as_its_value(value: object, meant: object) -> None:
    assert encode_path("pipelines", value) == encode_path("pipelines", meant)


@pytest.mark.parametrize("value", NO_KEYS, ids=repr)
def test_a_part_of_a_path_that_is_not_a_key_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"pipelines/.*a part of a path is a string, a whole number or a UUID, not a "):
        encode_path("pipelines", value)


def test_refs_take_enums_numbers_of_numpy_and_uuids(bk: Buildkite) -> None:
    organization = bk.organization(Branch.MAIN)
    plain = bk.organization("main")
    assert organization == plain
    assert organization.pipeline(Loud.MAIN) == plain.pipeline("main")
    assert plain.pipeline("web").build(numpy.int64(42)) == plain.pipeline("web").build(42)
    assert plain.pipeline("web").build(Number.SEVEN) == plain.pipeline("web").build(7)
    assert plain.job(UUID(ID)) == plain.job(ID)  # type: ignore[arg-type]
    assert bk.from_url(Shouting("https://buildkite.com/acme/web/builds/42")).api_path.endswith("web/builds/42")


@pytest.mark.parametrize("number", [True, None, 1.0, Decimal(1)])
def test_a_build_number_that_is_none_is_refused_and_costs_nothing(bk: Buildkite, costs: Costs, number: Any) -> None:
    with costs(0), pytest.raises(TypeError, match=r"builds/.*whole number"):
        bk.organization("acme").pipeline("web").build(number)


@pytest.mark.parametrize("url", [None, 5, b"https://buildkite.com/acme", Path("https://buildkite.com"), ["x"]])
def test_a_url_that_is_not_a_string_is_refused(bk: Buildkite, url: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="from_url"):
        bk.from_url(url)


# -- bodies


@pytest.mark.parametrize(("value", "meant"), MEANT, ids=repr)
def test_a_body_contains_the_plain_value(value: object, meant: object) -> None:
    body = encode_body({"x": value, "list": [value], "map": {"k": value}})
    assert json.loads(json.dumps(body)) == {"x": meant, "list": [meant], "map": {"k": meant}}
    assert {type(body["x"]), type(body["list"][0]), type(body["map"]["k"])} == {type(meant)}


@pytest.mark.parametrize("value", NO_SCALARS, ids=repr)
def test_a_field_that_is_not_a_value_is_refused_with_its_name_and_not_shown(value: object) -> None:
    with pytest.raises(TypeError, match=r"env\.A: JSON has nothing for a .*; give a string, number") as caught:
        encode_body({"env": {"A": value}})
    assert repr(value) not in str(caught.value)


def test_a_float_of_numpy_is_a_number_in_a_body() -> None:
    assert encode_body({"x": numpy.float64(1.5), "y": numpy.float32(0.5)}) == {"x": 1.5, "y": 0.5}


def test_a_created_object_has_the_plain_values(server: FakeBuildkite, bk: Buildkite, sent: Sent) -> None:
    server.add_pipeline("web")
    options: dict[str, Any] = {
        "env": {Branch.MAIN: Number.SEVEN},
        "meta_data": {Loud.MAIN: Branch.FIX},
        "clean_checkout": numpy.bool_(True),
    }
    bk.organization("acme").pipeline("web").builds().create(commit=Shouting("HEAD"), branch=Branch.MAIN, **options)
    body = sent()[1]
    assert body == {
        "commit": "HEAD",
        "branch": "main",
        "env": {"main": 7},
        "meta_data": {"main": "fix/#1"},
        "clean_checkout": True,
    }


def test_verbs_send_the_values_that_were_meant(server: FakeBuildkite, bk: Buildkite, sent: Sent) -> None:
    record = server.add_build("web", state="failed", jobs=1)
    job = bk.organization("acme").pipeline("web").build(record.number).job(record.jobs[0].id)
    with suppress(BuildkiteError):  # whether the server takes it is another matter
        job.reprioritize(numpy.int64(7))
    assert sent()[1] == {"priority": 7}
    with pytest.raises(TypeError, match="priority: JSON has nothing for a Decimal"):
        job.reprioritize(Decimal(7))  # type: ignore[arg-type]


@pytest.mark.parametrize("states", [OwnState.FAILED, [PlainState.FAILED], (numpy.str_("failed"),)])
def test_lists_in_one_string_have_the_values_that_were_meant(
    server: FakeBuildkite, bk: Buildkite, sent: Sent, states: Any
) -> None:
    record = server.add_build("web", state="failed", jobs=1)
    with suppress(BuildkiteError):  # whether the server takes it is another matter
        bk.organization("acme").pipeline("web").build(record.number).retry_failed_jobs(states=states)
    assert sent()[1] == {"states": "failed"}


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_header_has_a_number_as_it_is_meant(server: FakeBuildkite, bk: Buildkite, value: Any) -> None:
    record = server.add_build("web", jobs=1)
    server.set_log(record.jobs[0], b"0123456789")
    log = bk.organization("acme").pipeline("web").build(record.number).job(record.jobs[0].id).log()
    assert log.tail_bytes(value) == "3456789"
    assert server.requests[-1].headers["Range"] == "bytes=-7"
    for other in (True, 1.5, "7", None):
        with pytest.raises(TypeError, match="n is a whole number, not"):
            log.tail_bytes(other)  # type: ignore[arg-type]


# -- assigned fields


@pytest.mark.parametrize("value", [value for value in TEXTS if not isinstance(value, numpy.ndarray)], ids=repr)
def test_an_assigned_value_is_kept_and_saved_as_a_plain_value(
    server: FakeBuildkite, bk: Buildkite, sent: Sent, value: Any
) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    pipeline.description = value
    assert type(pipeline.description) is str
    assert pipeline.changes() == {"description": "main"}
    pipeline.save()
    assert sent()[1] == {"description": "main"}


@pytest.mark.filterwarnings("ignore::buildkite_orm.resources.pipelines.pipeline.IgnoredChangeWarning")
def test_values_in_an_assigned_dict_are_saved_as_plain_values(server: FakeBuildkite, bk: Buildkite, sent: Sent) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    pipeline.env = {Branch.MAIN: Loud.MAIN, "N": numpy.int64(7), "ID": UUID(ID)}
    assert pickle.loads(pickle.dumps(pipeline)).env == {"main": "main", "N": 7, "ID": ID}  # noqa: S301 - its own
    pipeline.save()
    assert sent()[1] == {"env": {"main": "main", "N": 7, "ID": ID}}


@pytest.mark.filterwarnings("ignore::buildkite_orm.resources.pipelines.pipeline.IgnoredChangeWarning")
def test_values_that_are_put_into_a_dict_of_an_object_are_saved_too(
    server: FakeBuildkite, bk: Buildkite, sent: Sent
) -> None:
    server.add_pipeline("web", env={"A": "1"})
    pipeline = bk.organization("acme").pipeline("web").fetch()
    assert pipeline.env is not None
    pipeline.env.update({"B": Branch.MAIN, "N": numpy.int64(7), "ID": UUID(ID), "P": Plain.MAIN})
    pipeline.save()
    assert sent()[1] == {"env": {"A": "1", "B": "main", "N": 7, "ID": ID, "P": "main"}}


@pytest.mark.parametrize("value", [Decimal(1), date(2026, 7, 1), numpy.int64(7)], ids=repr)
def test_an_assigned_value_of_another_kind_is_refused_by_name(server: FakeBuildkite, bk: Buildkite, value: Any) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").fetch()
    with pytest.raises(ValidationError, match="description"):
        pipeline.description = value


# -- numbers that bound a listing


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_bounds_and_indexes_take_whole_numbers_of_any_kind(server: FakeBuildkite, bk: Buildkite, value: int) -> None:
    for _ in range(20):
        server.add_agent()
    agents: QuerySet[Any] = bk.organization("acme").agents()
    ids: list[str] = [agent.id for agent in agents]
    assert [agent.id for agent in agents.limit(value)] == ids[:7]
    assert [agent.id for agent in agents.per_page(value)] == ids
    assert [agent.id for agent in agents.per_page(2).page(value).items] == ids[12:14]
    assert (agents.fresh()[value].id, [agent.id for agent in agents.fresh()[value:]]) == (ids[7], ids[7:])
    assert server.requests[-1].query == [("per_page", "100")]


@pytest.mark.parametrize("value", [True, 1.0, "7", None, numpy.float64(1)], ids=repr)
def test_bounds_that_are_not_whole_numbers_are_refused_by_name(bk: Buildkite, costs: Costs, value: Any) -> None:
    agents = bk.organization("acme").agents()
    with costs(0):
        for name in ("limit", "per_page", "page"):
            with pytest.raises(TypeError, match=f"{name} is a whole number, not"):
                getattr(agents, name)(value)
        with pytest.raises(TypeError, match=r"index of a queryset is a (whole number|position, not a key)"):
            agents[value]
