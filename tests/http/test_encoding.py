"""Encoding: paths, filters and bodies reach the server with the meaning that the caller intended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from buildkite_orm import BuildState
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.http.encoding import encode_body, encode_path, encode_query, encode_time, to_query_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from tests.conftest import Costs

ODD_BRANCHES = [
    "feature/#12",
    "a+b",
    "a b",
    "a&state=failed",
    "größe",
    "日本語",
    "🚀",
    "50%",
    "%23",
    "a=b",
    "?x",
    'quote"d',
    "back\\slash",
    "[1]",
    " leading",
    "trailing ",
    "a;b",
    "a,b",
    "line\nbreak",
    "nul\x00",
    "~",
    "+",
    "#",
    "/",
]


@pytest.fixture
def branches(server: FakeBuildkite, bk: Buildkite) -> Callable[[Any], list[str]]:
    for branch in [*ODD_BRANCHES, "main", "a", "b"]:
        server.add_build("web", branch=branch)

    def found(filters: Any) -> list[str]:
        builds = bk.organization("acme").pipeline("web").builds(**filters)
        return sorted(build.branch or "" for build in builds)

    return found


# -- branches


@pytest.mark.parametrize("branch", ODD_BRANCHES, ids=ascii)
def test_an_odd_branch_finds_exactly_its_builds(branches: Callable[[Any], list[str]], branch: str) -> None:
    assert branches({"branch": branch}) == [branch]
    assert branches({"branch": [branch]}) == [branch]
    assert branches({"branch": [branch, "main"]}) == sorted([branch, "main"])


@pytest.mark.parametrize("http", [False, True])
def test_odd_branches_survive_the_wire(server: FakeBuildkite, *, http: bool) -> None:
    for branch in ODD_BRANCHES:
        server.add_build("web", branch=branch)
    with server.client(http=http) as bk:
        for branch in ODD_BRANCHES:
            build = bk.organization("acme").builds(branch=branch).one()
            assert build.branch == branch


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def wide() -> Iterator[tuple[FakeBuildkite, Buildkite]]:
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
        client = server.client()
        yield server, client
        client.close()


def test_a_branch_of_any_text_finds_exactly_its_builds(wide: tuple[FakeBuildkite, Buildkite]) -> None:
    server, bk = wide

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(texts, min_size=2, max_size=4, unique=True))
    def check(names: list[str]) -> None:
        for build in list(server.store.builds):
            build.branch = "other"
        for name in names:
            server.add_build("web", branch=name)
        first, *rest = names
        builds = bk.organization("acme").pipeline("web").builds
        assert [build.branch for build in builds(branch=first)] == [first]
        assert {build.branch for build in builds(branch=rest)} == set(rest)

    check()


def test_meta_data_of_any_text_finds_exactly_its_builds(wide: tuple[FakeBuildkite, Buildkite]) -> None:
    server, bk = wide
    keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[]"), min_size=1, max_size=8)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(keys, texts, texts)
    def check(key: str, value: str, other: str) -> None:
        assume(value != other)
        one = server.add_build("meta", meta_data={key: value})
        server.add_build("meta", meta_data={key: other})
        found = bk.organization("acme").pipeline("meta").builds(meta_data={key: value})
        assert [build.number for build in found][:1] == [one.number]
        assert {build.meta_data[key] for build in found} == {value}

    check()


# -- lists and maps, as Rails reads them


def test_several_values_are_a_list_of_rails() -> None:
    assert encode_query({"state": ["a", "b"]}) == [("state[]", "a"), ("state[]", "b")]
    assert encode_query({"state": ("a",)}) == [("state[]", "a")]
    assert sorted(encode_query({"state": {"a", "b"}})) == [("state[]", "a"), ("state[]", "b")]


def test_one_value_is_sent_as_a_list_only_if_the_filter_is_always_a_list() -> None:
    assert encode_query({"state": "a"}) == [("state", "a")]
    assert encode_query({"state": "a"}, lists=("state",)) == [("state[]", "a")]


def test_a_map_has_its_keys_in_brackets() -> None:
    assert encode_query({"meta_data": {"k": "v", "größe x": "ü+"}}) == [
        ("meta_data[k]", "v"),
        ("meta_data[größe x]", "ü+"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (3, "3"), (BuildState.PASSED, "passed"), (BuildState("new"), "new"), ("", "")],
)
def test_a_scalar_is_written_as_the_api_reads_it(value: object, text: str) -> None:
    assert encode_query({"x": value}) == [("x", text)]


def test_none_is_left_out() -> None:
    assert encode_query({"x": None, "y": 1}) == [("y", "1")]


NOTHING: list[object] = [[], (), set[str]()]


@pytest.mark.parametrize("value", NOTHING)
def test_an_empty_list_is_refused_since_it_would_filter_nothing(value: object) -> None:
    with pytest.raises(ValueError, match="would be no filter"):
        encode_query({"state": value})


@pytest.mark.parametrize("value", [1.5, b"bytes", object(), [None], {"k": None}, [["a"]], timedelta(1)])
def test_a_value_that_a_query_cannot_contain_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="x"):
        encode_query({"x": value})


@pytest.mark.parametrize("filters", [{"branch": []}, {"state": ()}, {"stat": "passed"}, {"branch": 1.5}])
def test_a_refused_filter_sends_no_request(bk: Buildkite, costs: Costs, filters: Any) -> None:
    builds = bk.organization("acme").builds
    with costs(0), pytest.raises((TypeError, ValueError)):
        list(builds(**filters))


def test_a_query_string_escapes_everything_that_means_something() -> None:
    assert to_query_string([("branch[]", "a+b #/&=ü")]) == "branch%5B%5D=a%2Bb%20%23%2F%26%3D%C3%BC"


# -- times


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 7, 1, 10, tzinfo=UTC), "2026-07-01T10:00:00Z"),
        (datetime(2026, 7, 1, 10, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-07-01T04:30:00Z"),
        (datetime(2026, 7, 1, 10, tzinfo=ZoneInfo("America/New_York")), "2026-07-01T14:00:00Z"),
        (datetime(2026, 1, 1, 10, tzinfo=ZoneInfo("America/New_York")), "2026-01-01T15:00:00Z"),
        (datetime(2026, 7, 1, 10, 0, 0, 123_000, tzinfo=UTC), "2026-07-01T10:00:00.123000Z"),
    ],
)
def test_a_time_of_any_zone_goes_out_as_utc(moment: datetime, text: str) -> None:
    assert encode_time(moment) == text
    assert encode_query({"created_from": moment}) == [("created_from", text)]


@given(
    st.datetimes(
        datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis wants them so
        datetime(2999, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_a_time_that_goes_out_is_the_same_moment(moment: datetime) -> None:
    text = encode_time(moment)
    assert text.endswith("Z")
    assert "+" not in text
    assert datetime.fromisoformat(text) == moment


@pytest.mark.parametrize("name", ["created_from", "created_to", "finished_from"])
def test_a_naive_datetime_is_refused_by_name_without_a_request(bk: Buildkite, costs: Costs, name: str) -> None:
    naive: Any = {name: datetime(2026, 7, 1)}  # noqa: DTZ001 - the point
    with costs(0), pytest.raises(ValueError, match=f"{name}=.*has no time zone"):
        bk.organization("acme").builds(**naive).first()


def test_a_time_in_another_zone_finds_the_same_builds(server: FakeBuildkite, bk: Buildkite) -> None:
    moment = datetime(2026, 7, 1, 10, tzinfo=UTC)
    server.add_build("web", created_at=moment)
    server.add_build("web", created_at=moment - timedelta(seconds=1))
    here = moment.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    builds = bk.organization("acme").builds
    assert [build.created_at for build in builds(created_from=here)] == [moment]
    assert [build.created_at for build in builds(created_to=here)] == [moment - timedelta(seconds=1)]


# -- paths


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (("organizations", "acme"), "organizations/acme"),
        (("builds", 42), "builds/42"),
        (("a/b",), "a%2Fb"),
        (("../x",), "..%2Fx"),
        (("a b", "ü?#%"), "a%20b/%C3%BC%3F%23%25"),
    ],
)
def test_a_segment_of_a_path_stays_one_segment(segments: tuple[str | int, ...], path: str) -> None:
    assert encode_path(*segments) == path


@pytest.mark.parametrize("segment", ["", ".", "..", "a\nb", "a\x00", "\u202e", "\ud800"])
def test_a_segment_that_would_change_the_path_is_refused(bk: Buildkite, costs: Costs, segment: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a path"):
        encode_path("organizations", segment)
    with costs(0), pytest.raises(ValueError, match="cannot be part of a path"):
        bk.organization("acme").pipeline(segment)


printable = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() and text not in {".", ".."})


@given(st.lists(printable, min_size=1, max_size=4))
def test_a_path_of_any_text_is_read_as_it_was_written(segments: list[str]) -> None:
    path = encode_path(*segments)
    assert path.isascii()
    assert [unquote(part) for part in path.split("/")] == segments


@pytest.mark.parametrize("http", [False, True])
def test_a_slug_with_odd_characters_reaches_its_route(server: FakeBuildkite, *, http: bool) -> None:
    with server.client(http=http) as bk:
        pipeline = bk.organization("acme").pipeline("odd #1+ü")
        server.add_pipeline("odd #1+ü")
        assert pipeline.fetch().slug == "odd #1+ü"


# -- bodies


class Options(dict[str, Any]):
    """Stands for a TypedDict."""

    __annotations__ = {"env": str, "at": datetime, "labels": list, "note": str, "n": float}


def test_a_body_contains_null_for_none_and_no_key_for_absent_values() -> None:
    assert encode_body({"note": None}, Options) == {"note": None}
    assert encode_body({}, Options) == {}


def test_a_body_states_times_in_utc_and_lists_as_lists() -> None:
    moment = datetime(2026, 7, 1, 10, tzinfo=timezone(timedelta(hours=2)))
    body = encode_body({"at": moment, "labels": ("a", "b"), "env": {"N": 1, "T": moment}}, Options)
    assert body == {
        "at": "2026-07-01T08:00:00Z",
        "labels": ["a", "b"],
        "env": {"N": 1, "T": "2026-07-01T08:00:00Z"},
    }
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize(
    "value", [object(), b"x", {"a": object()}, [object()], float("nan"), float("inf"), {"a": float("-inf")}]
)
def test_a_value_that_json_cannot_represent_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="env"):
        encode_body({"env": value}, Options)


def test_a_naive_datetime_in_a_body_is_refused() -> None:
    with pytest.raises(ValueError, match=r"env\.T=.*has no time zone"):
        encode_body({"env": {"T": datetime(2026, 7, 1)}}, Options)  # noqa: DTZ001 - the point


def test_a_misspelt_field_of_a_write_is_refused_without_a_request(bk: Buildkite, costs: Costs) -> None:
    misspelt: Any = {"mesage": "x"}
    builds = bk.organization("acme").pipeline("web").builds()
    with costs(0), pytest.raises(TypeError, match=r"no field mesage; there are: .*message"):
        builds.create(commit="HEAD", branch="main", **misspelt)
    with costs(0), pytest.raises(TypeError, match="no field mesage"):
        bk.organization("acme").pipeline("web").update(**misspelt)


@given(st.dictionaries(texts, texts, max_size=4), texts)
def test_a_body_of_any_text_is_stated_as_it_is(env: dict[str, str], note: str) -> None:
    body = encode_body({"env": env, "note": note}, Options)
    assert json.loads(json.dumps(body)) == {"env": env, "note": note}


def test_a_created_object_has_the_text_that_was_sent(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    message = 'größe "x" \\ \n 🚀 \x00'
    build = (
        bk.organization("acme")
        .pipeline("web")
        .builds()
        .create(commit="HEAD", branch="feature/#1+ü", message=message, env={"A": message}, meta_data={"ü": message})
    )
    assert (build.message, build.branch, build.env, build.meta_data["ü"]) == (
        message,
        "feature/#1+ü",
        {"A": message},
        message,
    )
