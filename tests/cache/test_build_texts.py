"""The JSON of builds is divided without parsing it: whatever it contains, the stored build is the one that was sent."""

from __future__ import annotations

import json
from struct import Struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm import Build
from buildkite_orm.cache.packing import pack
from buildkite_orm.cache.store import FoundRow
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models.parsing import load_list
from buildkite_orm.resources.builds.build_texts import BuildText, StoredText, divide
from buildkite_orm.resources.builds.stored_builds import StoredJobs, key_of, load_rows, stamp_of

if TYPE_CHECKING:
    from collections.abc import Mapping

API = "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds"
TRICKY = ["}]", '}],"', '"jobs":[{"id":"j0"', '{"id":"j1"', '{"id":"b1"', "null", "]", "\\", '"', "é", "\n"]
TEXTS = st.text(max_size=5) | st.lists(st.sampled_from(TRICKY), max_size=4).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "jobs", "x"]), inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"id": st.sampled_from(["j0", "j1", "b0", "b1"])}), max_size=2)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from(["a", "weather", "z"]), VALUES, max_size=2)


def build(number: int, before: Mapping[str, Any], jobs: object, after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of a build whose jobs are between other fields."""
    head = {"id": f"b{number}", "url": f"{API}/{number}", "number": number, "state": "passed", "commit": "HEAD"}
    times = {"created_at": "2026-07-01T10:00:00.000Z", "finished_at": "2026-07-01T10:05:00.000Z"}
    return {**head, **before, "jobs": jobs, **times, **{f"{name}_": value for name, value in after.items()}}


def job(number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": f"j{number}", "type": "script", "state": "passed", **fields}


@st.composite
def builds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw one to three builds with up to three jobs."""
    return [
        build(number, draw(FIELDS), [job(each, draw(FIELDS)) for each in range(draw(st.integers(0, 3)))], draw(FIELDS))
        for number in range(draw(st.integers(1, 3)))
    ]


def loaded(body: bytes) -> list[Build]:
    return load_list(Build, ApiResponse("GET", "", 200, {}, body), strict=False)


def row_of(text: BuildText, build: Build) -> FoundRow:
    """Return the row that the cache would find for a build."""
    data = pack(text.payload(build))
    return FoundRow(key_of(build) or "", "build", stamp_of(build), data, len(data), 1, 0.0)


@given(payload=builds())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_a_stored_build_is_the_one_that_was_sent(payload: list[dict[str, Any]]) -> None:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    sent = loaded(body)
    texts = divide(body, [each.id for each in sent])
    looks_alike = any(body.count(f'{{"id":"{each.id}"'.encode()) > 1 for each in sent)  # such a row may not be used
    assert texts is not None or looks_alike
    for build, text in zip(sent, texts or [], strict=texts is not None):
        stored = load_rows([row_of(text, build)])
        assert stored is not None or looks_alike
        for each in stored or []:
            assert each.dump() == build.dump()
            assert each.drift == build.drift


@pytest.mark.parametrize("count", [1, 3])
def test_the_jobs_of_usual_builds_are_deferred(count: int) -> None:
    payload = [build(each, {"a": "x"}, [job(0, {}), job(1, {})], {"z": [1]}) for each in range(count)]
    body = json.dumps(payload, separators=(",", ":")).encode()
    sent = loaded(body)
    texts = divide(body, [each.id for each in sent]) or []
    stored = load_rows([row_of(text, build) for text, build in zip(texts, sent, strict=True)]) or []
    assert [type(vars(each)["embedded_jobs"]) for each in stored] == [StoredJobs] * count
    assert [each.dump() for each in stored] == payload


@pytest.mark.parametrize(
    ("last", "is_deferred"),
    [
        ({}, True),
        ({"x": "}]"}, False),
        ({"x": [1]}, True),
        ({"x": [{"y": 1}]}, False),
        ({"x": [[{"id": "j1"}]]}, False),
    ],
)
def test_the_jobs_are_found_in_the_text_or_loaded_with_the_build(last: dict[str, Any], *, is_deferred: bool) -> None:
    payload = [build(1, {}, [job(0, {}), job(1, last)], {"w": [{"v": 1}]})]
    body = json.dumps(payload, separators=(",", ":")).encode()
    (sent,) = loaded(body)
    texts = divide(body, ["b1"])
    assert texts is not None
    (stored,) = load_rows([row_of(texts[0], sent)]) or []
    assert isinstance(vars(stored)["embedded_jobs"], list) is not is_deferred
    assert stored.dump() == payload[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"x": [{"id": "j1"}]}),
        ({}, {"x": {"jobs": [{"id": "j0"}, {"id": "j1"}]}}),
        ({"x": {"jobs": [{"id": "j0"}, {"id": "j1"}]}}, {}),
        ({"x": {"jobs": [{"id": "j0"}]}}, {}),
        ({"x": [{"id": "b1"}]}, {}),
    ],
)
def test_other_fields_may_look_like_the_jobs(before: dict[str, Any], after: dict[str, Any]) -> None:
    payload = [build(1, before, [job(0, {}), job(1, {})], after)]
    body = json.dumps(payload, separators=(",", ":")).encode()
    (sent,) = loaded(body)
    for text in divide(body, ["b1"]) or []:
        (stored,) = load_rows([row_of(text, sent)]) or []
        assert [each.id for each in stored.embedded_jobs or []] == ["j0", "j1"]
        assert stored.dump() == payload[0]


@pytest.mark.parametrize("payload", [b"", b"{}", b"\0" * 7, b"\0" * 8, b"\0" * 8 + b"[]"])
def test_what_is_no_stored_text_is_damaged(payload: bytes) -> None:
    assert StoredText.read(payload) is None


@pytest.mark.parametrize("place", [(3, 2), (0, 999_999), (99_999, 999_999), (5, 9), None])
def test_a_wrong_place_of_the_jobs_changes_no_result(place: tuple[int, int] | None) -> None:
    payload = [build(1, {"x": [{"id": "j9"}]}, [job(0, {})], {})]
    text = json.dumps(payload[0]).encode()
    (sent,) = loaded(b"[%b]" % text)
    other = text.index(b'[{"id": "j9"}]')
    data = pack(Struct(">II").pack(*(place or (other, other + len(b'[{"id": "j9"}]')))) + text)
    row = FoundRow(key_of(sent) or "", "build", stamp_of(sent), data, len(data), 1, 0.0)
    (stored,) = load_rows([row]) or []
    assert stored.dump() == payload[0]
