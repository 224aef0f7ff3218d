"""Listings as they are shown: a table of the first rows, for one request at most, once."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from buildkite_orm import Buildkite, NotFoundError, QuerySet, RetryPolicy
from buildkite_orm.models.display import Preview
from buildkite_orm.views.display.columns import COLUMNS, columns_of
from buildkite_orm.views.display.html import STYLESHEET
from buildkite_orm.views.display.render import rich_listing
from buildkite_orm.views.display.tables import ROWS, table_of
from tests.reliability.models import RESOURCES
from tests.views.display.odd import EVIL, EVIL_URLS, odd_objects
from tests.views.display.pages import Page, drawn, elements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Resource
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

OWN = {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "bdi", "a", "span", "time", "pre"}
"""The elements that tables and cards are made of."""


def bundle(obj: Any) -> dict[str, str]:
    return dict(obj._repr_mimebundle_())


@pytest.fixture
def seeded(acme: FakeBuildkite) -> Iterator[Buildkite]:
    with acme.client() as client:
        yield client


# -- what it costs


def test_a_listing_is_loaded_once_for_being_shown(acme: FakeBuildkite, seeded: Buildkite, costs: Costs) -> None:
    builds = seeded.organization("acme").pipeline("web").builds()
    with costs(1, of=acme):
        first = bundle(builds)
    with costs(0, of=acme):
        assert bundle(builds) == first
        assert builds.first() is builds[0]
        assert repr(builds).endswith("[100+ loaded]>")


def test_nothing_else_loads_it(acme: FakeBuildkite, seeded: Buildkite, costs: Costs) -> None:
    builds = seeded.organization("acme").pipeline("web").builds()
    with costs(0, of=acme):
        assert repr(builds) == str(builds) == "<BuildQuerySet acme/web/builds [not loaded]>"
        assert repr([builds]) == f"[{builds!r}]"
        assert drawn(builds) == repr(builds)
        dir(builds)


def test_loaded_rows_are_not_requested(acme: FakeBuildkite, seeded: Buildkite, costs: Costs) -> None:
    build = seeded.organization("acme").pipeline("web").build(120).fetch()
    with costs(0, of=acme):
        assert ":rspec: RSpec 1/3" in bundle(build.jobs())["text/plain"]


def test_a_limit_of_zero_sends_no_request(acme: FakeBuildkite, seeded: Buildkite, costs: Costs) -> None:
    with costs(0, of=acme):
        assert bundle(seeded.builds().limit(0))["text/plain"].endswith("\nnothing")


def test_a_page_by_number_is_shown_as_a_table(acme: FakeBuildkite, seeded: Buildkite, costs: Costs) -> None:
    page = seeded.organization("acme").pipelines().per_page(3).page(2)
    with costs(0, of=acme):
        shown = bundle(page)
        assert repr(page) == "<Page 2 of 3: 3 Pipeline>"
    assert shown["text/plain"].splitlines()[0] == "Page 2 of 3: 3 Pipeline"
    assert len(Page(shown["text/html"]).rows) == 3
    assert drawn(page).splitlines()[-1] == "3 in all"
    empty = seeded.organization("acme").pipelines().page(9)
    assert (repr(empty), bundle(empty)["text/plain"].splitlines()[-1]) == ("<Page 9: 0 objects>", "nothing")


# -- failures


def test_a_failed_load_is_shown_as_one_line(seeded: Buildkite, capsys: pytest.CaptureFixture[str]) -> None:
    builds = seeded.organization("acme").pipeline("no-such").builds()
    shown = bundle(builds)
    first, *more = shown["text/plain"].splitlines()
    assert first == repr(builds) == "<BuildQuerySet acme/no-such/builds [not loaded]>"
    assert len(more) == 1
    assert more[0].startswith("NotFoundError: ")
    assert "NotFoundError" in Page(shown["text/html"]).text
    assert capsys.readouterr() == ("", "")
    with pytest.raises(NotFoundError):
        list(builds)


def test_a_failed_listing_is_requested_again(acme: FakeBuildkite, costs: Costs) -> None:
    with acme.client(retry=RetryPolicy(attempts=1)) as bk:
        acme.faults.add("error", status=500)
        builds = bk.builds()
        assert "ServerError" in bundle(builds)["text/plain"]
        with costs(1, of=acme):
            assert "docs #32" in bundle(builds)["text/plain"]


# -- visible output


def test_the_first_rows_are_seen(seeded: Buildkite) -> None:
    shown = bundle(seeded.organization("acme").pipeline("web").builds(branch="main"))
    title, heads, *rows, foot = shown["text/plain"].splitlines()
    assert title == "BuildQuerySet acme/web/builds branch=main"
    assert heads.split() == ["build", "state", "branch", "message", "by", "created", "waited", "took"]
    assert len(rows) == ROWS
    assert rows[1].startswith("web #119  failed    main")
    assert foot == "… 20 of 45"
    page = Page(shown["text/html"])
    assert page.heads == heads.split()
    assert page.rows[1][:4] == ["web #119", "failed", "main", "Größere Knöpfe"]
    assert len(page.rows) == ROWS
    assert foot in page.text


def test_times_are_relative_and_exact_on_hover(seeded: Buildkite) -> None:
    page = Page(bundle(seeded.builds(state="running"))["text/html"])
    (time, *_) = page.all("time")
    assert time.text == "40 seconds ago"
    assert time["title"] == "2026-08-01 11:59:20 UTC"
    assert time["datetime"].startswith("2026-08-01T11:59:20")


def test_names_link_to_buildkite_and_to_no_other_host(seeded: Buildkite) -> None:
    page = Page(bundle(seeded.organization("acme").pipeline("web").builds())["text/html"])
    link = page.all("a")[0]
    assert (link.text, link["href"]) == ("web #123", "https://buildkite.com/acme/web/builds/123")
    assert link["rel"] == "noopener noreferrer"


def test_states_have_their_tones(seeded: Buildkite) -> None:
    page = Page(bundle(seeded.builds())["text/html"])
    tones = {span.text: span["class"] for span in page.all("span")}
    assert tones["passed"] == "bk-good"
    assert tones["running"] == "bk-busy"
    assert tones["blocked"] == "bk-blocked"
    assert tones["canceled"] == "bk-quiet"


def test_annotations_show_their_text_and_agents_whether_they_are_paused(seeded: Buildkite) -> None:
    org = seeded.organization("acme")
    notes = Page(bundle(org.pipeline("web").build(123).annotations())["text/html"])
    assert notes.rows[0][:3] == ["success", "tests", "Test results"]
    org.agents()[0].pause(note="Maintenance")
    agents = Page(bundle(org.agents())["text/html"])
    assert agents.rows[0][:2] == ["default-1", "paused"]


def test_rows_that_match_nothing_on_the_first_page(seeded: Buildkite) -> None:
    build = seeded.organization("acme").pipeline("web").build(120)
    assert bundle(build.artifacts(path="**/no-such.{a,b}"))["text/plain"].endswith("\nnothing")
    none = Preview("x", RESOURCES[0], [], whole=False)
    assert table_of(none).footer == "nothing on the first page, more follow"


def test_it_is_the_same_for_every_kind_of_listing(seeded: Buildkite) -> None:
    org = seeded.organization("acme")
    listings: list[QuerySet[Any]] = [
        seeded.organizations(), org.pipelines(), org.agents(), org.teams(), org.registries(), org.suites(),
        org.clusters(), org.members(), org.audit_events(), org.emojis(), org.portals(), org.rules(),
        org.clusters()[0].queues(), org.clusters()[0].secrets(), org.clusters()[0].maintainers(),
        org.suites()[0].runs(), org.suites()[0].tests(), org.teams()[0].members(), org.teams()[0].pipelines(),
    ]  # fmt: skip
    for listing in listings:
        shown = bundle(listing)
        page = Page(shown["text/html"])
        assert len(shown["text/plain"].splitlines()) == min(len(list(listing)), ROWS) + 3, listing
        assert len(page.rows) == min(len(list(listing)), ROWS)
        assert all(row[0] for row in page.rows), listing


# -- kinds


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.__name__)
def test_every_kind_has_columns_with_titles_of_their_own(kind: type[Resource]) -> None:
    titles = [column.title for column in columns_of(kind)]
    assert titles
    assert len(set(titles)) == len(titles)


def test_declared_columns_name_existing_classes_and_fields() -> None:
    kinds = {kind.__name__: kind for kind in RESOURCES}
    for name, columns in COLUMNS.items():
        fields = {field for kind in RESOURCES if issubclass(kind, kinds[name]) for field in kind.model_fields}
        assert {field for column in columns for field in column.fields} <= fields | {"web_url"}, name


# -- what others wrote


def test_hostile_text_is_escaped(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", message=EVIL, branch=EVIL)
    shown = bundle(bk.builds())
    page = Page(shown["text/html"])
    assert elements(shown["text/html"]) <= OWN
    assert "<script>alert(1)</script>\\x1b[31m\\u202egnp\\u200b" in page.text
    for text in (shown["text/plain"], shown["text/html"], drawn(bk.builds().page(1))):
        assert not set(text) & set("\x1b\u202e\u200b")


@settings(deadline=None)
@given(odd_objects)
def test_odd_payloads_are_shown_escaped(obj: Resource) -> None:
    preview = Preview("objects", type(obj), [obj], whole=True)
    html = bundle(obj)["text/html"]
    assert elements(html) <= OWN
    assert all(link["href"].startswith(("http://", "https://")) for link in Page(html).all("a"))
    for text in (html.replace(STYLESHEET, ""), drawn(obj), drawn(rich_listing(obj, preview))):
        assert not set(text) & set("\x1b\u202e\u200b\u2028\x00\ud800")
        text.encode()


@pytest.mark.parametrize("url", EVIL_URLS)
def test_only_pages_of_the_web_are_led_to(server: FakeBuildkite, bk: Buildkite, url: str) -> None:
    server.add_build("web")
    build = bk.builds()[0]
    hostile = build.model_copy(update={"web_url": url})
    assert "<a" not in bundle(hostile)["text/html"]
    assert "<a" in bundle(build)["text/html"]


def test_the_style_sheet_stays_in_its_box() -> None:
    rules = STYLESHEET.replace("@media (prefers-color-scheme:dark){.bk-orm", ".bk-orm").replace("}}", "}")
    for rule in rules.split("}")[:-1]:
        selectors = rule.partition("{")[0].replace("\n", "").split(",")
        assert all(".bk-orm" in selector for selector in selectors), rule
    assert "url(" not in STYLESHEET
    assert "@import" not in STYLESHEET


def test_the_output_is_readable_on_an_ascii_terminal(seeded: Buildkite) -> None:
    text = bundle(seeded.builds())["text/plain"]
    io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace").write(text)
