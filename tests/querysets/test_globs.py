"""Globs over the paths of artifacts: what they mean, what of them the server does, and that nothing gets lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm.querysets.globs import Globs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm import ArtifactQuerySet, Buildkite
    from buildkite_orm.fake import FakeBuildkite, RecordedRequest
    from tests.conftest import Costs

PATHS = ["dist/app.js", "dist/app.css", "dist/a/b/deep.js", "docs/index.html", "log/app.txt", "app.js"]


def server_takes(pattern: str | None, path: str) -> bool:
    """Match as the server does: `*` is anything."""
    return pattern is None or re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), path, re.DOTALL) is not None


def matching(path: str | Sequence[str], paths: list[str]) -> list[str]:
    globs = Globs.of(path)
    assert globs is not None
    here = globs.matcher()
    return [each for each in paths if server_takes(globs.for_server, each) and (here is None or here(each))]


# -- what a pattern means


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("dist/**/*.{js,css}", ["dist/app.js", "dist/app.css", "dist/a/b/deep.js"]),
        ("dist/*/*.js", ["dist/a/b/deep.js"]),
        ("**/*.js", ["dist/app.js", "dist/a/b/deep.js", "app.js"]),
        ("**/app.*", ["dist/app.js", "dist/app.css", "log/app.txt", "app.js"]),
        ("**/a/**", ["dist/a/b/deep.js"]),
        ("dist/**", ["dist/app.js", "dist/app.css", "dist/a/b/deep.js"]),
        ("**", PATHS),
        ("**/dist/*", ["dist/app.js", "dist/app.css"]),
        ("*.js", ["dist/app.js", "dist/a/b/deep.js", "app.js"]),
        ("*.{js,html}", ["dist/app.js", "dist/a/b/deep.js", "docs/index.html", "app.js"]),
        ("{dist,log}/app.{c,t}[sx]*", ["dist/app.css", "log/app.txt"]),
        ("d{ist/app,ocs/{index,other}}.*", ["dist/app.js", "dist/app.css", "docs/index.html"]),
        ("???.js", ["app.js"]),
        (["app.js", "log/*"], ["log/app.txt", "app.js"]),
        (["log/*", "**/deep.js"], ["dist/a/b/deep.js", "log/app.txt"]),
        (("app.js",), ["app.js"]),
        (["app.js", "app.jsapp.js"], ["app.js"]),
        ("dist", []),
        ("**/b", []),
    ],
)
def test_a_pattern_matches(path: str | Sequence[str], wanted: list[str]) -> None:
    assert matching(path, PATHS) == wanted


@pytest.mark.parametrize("odd", ["pages/[id].js", "a{b,c}.txt", "what?", "{x}", "[a", "{a,b", "**", "a*b"])
def test_a_file_named_like_the_pattern_matches_it(odd: str) -> None:
    assert matching(odd, [odd]) == [odd]


def test_folders_of_windows_are_folders() -> None:
    paths = ["dist\\js\\app.js", "dist\\app.css", "log\\app.js"]
    assert matching("dist/**/*.{js,css}", paths) == paths[:2]
    assert matching(r"dist\**\*.js", paths) == paths[:1]


def test_a_name_may_have_any_character() -> None:
    paths = ["a\nb/größe #1+2.txt", "a\nb/.hidden"]
    assert matching("**/*", paths) == paths
    assert matching(["a\nb/.*", "x"], paths) == paths[1:]


# -- requests sent


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("dist/*", "dist/*"),
        (["dist/*"], "dist/*"),
        ("a\\b.txt", "a\\b.txt"),
        ("dist/**/*.js", "dist*.js"),
        ("dist/**/*.{js,css}", "dist*"),
        (["dist/app.js", "dist/app.css"], "dist*app.*s"),
        (["log/a.txt", "dist/**"], None),
        ("**", None),
        ("{a,b}", None),
    ],
)
def test_the_narrowest_pattern_that_covers_all_is_sent(path: str | Sequence[str], sent: str | None) -> None:
    globs = Globs.of(path)
    assert globs is not None
    assert globs.for_server == sent


ALPHABET = "ab/*?[]{},!\\."
PATTERNS = st.lists(st.text(ALPHABET, min_size=1, max_size=8), min_size=1, max_size=3)


@settings(deadline=None)
@given(PATTERNS, st.text("ab/.\\[]{},*?", min_size=1, max_size=8))
def test_the_sent_pattern_covers_all_matches(patterns: list[str], path: str) -> None:
    globs = Globs.of(patterns)
    assert globs is not None
    here = globs.matcher()
    if here is not None and here(path):
        assert server_takes(globs.for_server, path)


@settings(deadline=None)
@given(st.lists(st.text("ab/*.", min_size=1, max_size=6), min_size=1, max_size=3), st.text("ab/.", max_size=6))
def test_several_patterns_match_as_each_one_alone(patterns: list[str], path: str) -> None:
    assert (matching(patterns, [path]) != []) == any(matching(each, [path]) != [] for each in patterns)


@settings(deadline=None)
@given(st.text("ab/*", min_size=1, max_size=6), st.text("ab/*", max_size=3), st.text("ab/", max_size=6))
def test_braces_mean_the_same_as_a_list(before: str, after: str, path: str) -> None:
    several = [f"{before}{each}{after}" for each in ("a", "b*")]
    braced = f"{before}{{a,b*}}{after}"
    assert matching(braced, [path]) == matching([*several, braced], [path]) == matching(several, [path])


def test_a_pattern_that_stands_for_too_many_is_rejected() -> None:
    with pytest.raises(ValueError, match="more than 1000 patterns"):
        matching("{a,b}" * 20, ["a"])


@pytest.mark.parametrize("path", [[], ()])
def test_an_empty_list_of_patterns_is_rejected(bk: Buildkite, path: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="an empty list would be no filter at all"):
        bk.organization("acme").pipeline("web").build(1).artifacts(path=path)


@pytest.mark.parametrize("path", [b"a", 3, ["a", None]])
def test_a_pattern_that_is_not_text_is_rejected(bk: Buildkite, path: object) -> None:
    with pytest.raises(TypeError, match="a path is text"):
        bk.organization("acme").pipeline("web").build(1).artifacts(path=path)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- in a queryset

COUNT = 250
WANTED = [f"dist/{number}/app.js" for number in range(0, COUNT, 50)]


@pytest.fixture
def many(server: FakeBuildkite, bk: Buildkite) -> ArtifactQuerySet:
    """250 artifacts below `dist`, of which every fiftieth ends with `.js`."""
    (job,) = server.add_build("web", jobs=1).jobs
    for number in range(COUNT):
        server.add_artifact(job, f"dist/{number}/app.{'css' if number % 50 else 'js'}", b"x")
    server.requests.clear()
    return bk.organization("acme").pipeline("web").build(1).artifacts(path="dist/**/*.{js,ts}")


def requested(requests: list[RecordedRequest]) -> list[tuple[str, ...]]:
    return [tuple(f"{name}={value}" for name, value in sorted(request.query)) for request in requests]


def paths(artifacts: ArtifactQuerySet) -> list[str]:
    return [artifact.path for artifact in artifacts]


def test_a_listing_returns_the_matches_and_sends_the_narrowest_pattern(
    server: FakeBuildkite, many: ArtifactQuerySet
) -> None:
    assert paths(many) == WANTED
    assert requested(server.requests) == [
        ("path=dist*", "per_page=100"),
        ("page=2", "path=dist*", "per_page=100"),
        ("page=3", "path=dist*", "per_page=100"),
    ]


def test_a_pattern_that_the_server_can_match_costs_one_page(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(1):
        assert paths(many.filter(path="dist/**/*.js")) == WANTED


def test_count_is_the_number_of_matches(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(3):
        assert many.count() == len(WANTED)
    with costs(2):
        assert many.limit(3).fresh().count() == 3
    with costs(1):
        assert many.filter(path="dist/*").count() == COUNT


def test_a_limit_counts_matches_and_keeps_full_pages(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(2):
        assert paths(many.limit(3)) == WANTED[:3]


def test_a_match_is_found_on_a_later_page(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(1):
        first = many.first()
    assert first is not None
    assert first.path == WANTED[0]
    with costs(1):
        assert many[3].path == WANTED[3]
    with costs(1):
        assert [artifact.path for artifact in many[3:]] == WANTED[3:]
    with costs(0):
        assert many[-1].path == WANTED[-1]
    with pytest.raises(IndexError):
        many[len(WANTED)]


def test_pages_have_the_matches_only_and_may_be_empty(many: ArtifactQuerySet) -> None:
    pages = list(many.per_page(50).filter(path=["dist/12?/app.css", "x"]).pages())
    assert [len(page.items) for page in pages] == [0, 0, 10, 0, 0]
    assert [page.has_next for page in pages] == [True, True, True, True, False]


def test_a_page_by_number_is_rejected(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match=r"since the client applies a filter; use pages\(\)"):
        many.page(1)
    assert len(many.filter(path="dist/*").page(3).items) == 50


def test_repr_shows_the_pattern_and_the_loaded_count(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(0):
        assert repr(many) == "<ArtifactQuerySet acme/web #1/artifacts path=dist/**/*.{js,ts} [not loaded]>"
    assert many.first() is not None
    assert repr(many).endswith("[2+ loaded]>")
    assert len(list(many)) == 5
    assert repr(many).endswith("[5 loaded]>")
    assert "path=a|b " in repr(many.filter(path=["a", "b"]))


def test_the_server_still_filters_by_state(server: FakeBuildkite, many: ArtifactQuerySet) -> None:
    assert paths(many.filter(state="new")) == []
    assert requested(server.requests) == [("path=dist*", "per_page=100", "state=new")]


def test_a_path_of_none_is_not_a_filter(many: ArtifactQuerySet, costs: Costs) -> None:
    with costs(1):
        assert many.filter(path=None).count() == COUNT  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_job_lists_by_globs_as_well(server: FakeBuildkite, bk: Buildkite) -> None:
    (job,) = server.add_build("web", jobs=1).jobs
    for path in PATHS:
        server.add_artifact(job, path, b"x")
    found = bk.organization("acme").job(job.id).artifacts(path=["log/*", "**/*.html"])
    assert paths(found) == ["docs/index.html", "log/app.txt"]
