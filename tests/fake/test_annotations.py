"""Annotations of builds and of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import BuildRecord, FakeBuildkite

WEB = "/organizations/acme/pipelines/web/builds/1"


@pytest.fixture
def build(server: FakeBuildkite) -> BuildRecord:
    build = server.add_build("web", jobs=2)
    server.add_annotation(build, "# All *good*\n\nReally & truly", context="tests", style="success")
    server.add_annotation(build, "<b>bold</b>", context="first", priority=9)
    server.add_annotation(build, "3 warnings", context="lint", job=build.jobs[0])
    return build


def contexts(api: Session, path: str) -> list[str]:
    return [each["context"] for each in api.get(path).json()]


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["first", "tests"]),
        ("?scope=build", ["first", "tests"]),
        ("?scope=job", ["lint"]),
        ("?scope=all", ["first", "tests", "lint"]),
    ],
)
def test_a_build_lists_its_own_annotations_by_priority(api: Session, query: str, found: list[str]) -> None:
    assert contexts(api, f"{WEB}/annotations{query}") == found


@pytest.mark.usefixtures("build")
def test_an_unknown_scope_is_422(api: Session) -> None:
    assert api.get(f"{WEB}/annotations?scope=none").status_code == 422


def test_a_job_lists_its_own_by_either_route(api: Session, build: BuildRecord) -> None:
    job = build.jobs[0].id
    payload = api.get(f"/organizations/acme/jobs/{job}/annotations").json()
    assert payload == api.get(f"{WEB}/jobs/{job}/annotations").json()
    assert [(each["context"], each["scope"], each["job_id"]) for each in payload] == [("lint", "job", job)]


@pytest.mark.usefixtures("build")
def test_bodies_are_rendered_as_html_or_omitted(api: Session) -> None:
    payload = {each["context"]: each for each in api.get(f"{WEB}/annotations").json()}
    assert payload["tests"]["body_html"] == "<h1>All <em>good</em></h1>\n<p>Really &amp; truly</p>\n"
    assert payload["first"]["body_html"] == "<p><b>bold</b></p>\n"
    assert (payload["tests"]["scope"], payload["tests"]["job_id"], payload["tests"]["priority"]) == ("build", None, 3)
    assert not [each for each in api.get(f"{WEB}/annotations?omit_body=true").json() if "body_html" in each]


def test_annotations_are_created_and_deleted(api: Session, build: BuildRecord) -> None:
    for path in (f"{WEB}/annotations", f"/organizations/acme/jobs/{build.jobs[1].id}/annotations"):
        response = api.post(path, json={"body": "Hi", "context": "new", "style": "error", "priority": 10})
        assert response.status_code == 201
        assert (response.json()["style"], response.json()["priority"]) == ("error", 10)
        assert contexts(api, path)[0] == "new"
        assert api.delete(f"{path}/{response.json()['id']}").status_code == 204
        assert api.delete(f"{path}/{response.json()['id']}").status_code == 404
        assert "new" not in contexts(api, path)


def test_a_context_is_replaced_or_added_to(server: FakeBuildkite, api: Session, build: BuildRecord) -> None:
    path = f"/organizations/acme/jobs/{build.jobs[0].id}/annotations"
    server.clock.advance(60)
    payload = api.post(path, json={"body": ", 2 errors", "context": "lint", "append": True}).json()
    assert payload["body_html"] == "<p>3 warnings, 2 errors</p>\n"
    assert (payload["created_at"], payload["updated_at"]) == ("2026-08-01T12:00:00.000Z", "2026-08-01T12:01:00.000Z")
    assert api.post(path, json={"body": "none", "context": "lint"}).json()["body_html"] == "<p>none</p>\n"


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    "body", [{}, {"body": ""}, {"body": "x", "style": "loud"}, {"body": "x", "priority": 11}, {"body": 3}]
)
def test_a_body_that_is_wrong_is_422(api: Session, body: dict[str, Any]) -> None:
    assert api.post(f"{WEB}/annotations", json=body).status_code == 422


def rendered(http: Session, body: str) -> str:
    """Return the HTML of an annotation with a body."""
    return str(http.post(f"{WEB}/annotations", json={"body": body}).json()["body_html"])


# https://buildkite.com/docs/pipelines/configure/annotations#formatting-annotations-supported-markdown-syntax
@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("body", "html"),
    [
        (
            "### Example annotation\n\nThis was *created*.",
            "<h3>Example annotation</h3>\n<p>This was <em>created</em>.</p>\n",
        ),
        ("~~old~~", "<p><del>old</del></p>\n"),
        (
            "|a|b|\n|-|-:|\n|1|2|",
            (
                '<table>\n<thead>\n<tr>\n<th>a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n'
                '<tbody>\n<tr>\n<td>1</td>\n<td align="right">2</td>\n</tr>\n</tbody>\n</table>\n'
            ),
        ),
        (
            "See (https://a.example/b_(c)), or www.d.example.",
            (
                '<p>See (<a href="https://a.example/b_(c)">https://a.example/b_(c)</a>), '
                'or <a href="http://www.d.example">www.d.example</a>.</p>\n'
            ),
        ),
        ("`http://a` [http://b](http://c)", '<p><code>http://a</code> <a href="http://c">http://b</a></p>\n'),
        ("<a href='http://b'>http://a</a>", '<p><a href="http://b">http://a</a></p>\n'),
        ("http:// www.", "<p>http:// www.</p>\n"),
        ("- [x] no task list", "<ul>\n<li>[x] no task list</li>\n</ul>\n"),
        ("```ruby\nputs 1 < 2\n```", "<pre><code>puts 1 &lt; 2\n</code></pre>\n"),
    ],
    ids=["heading", "strikethrough", "table", "autolinks", "no autolinks", "anchor", "prefixes", "tasks", "code"],
)
def test_markdown_is_rendered_as_commonmark_with_extensions_of_github(http: Session, body: str, html: str) -> None:
    assert rendered(http, body) == html


# https://buildkite.com/docs/pipelines/configure/annotations#formatting-annotations-supported-markdown-syntax
@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("<script>alert(1)</script>", ""),
        ("<style>p {}</style>", ""),
        ('<iframe src="https://a"></iframe>', ""),
        ('<p style="margin-top: 0;" onclick="x()">Hi</p>', "<p>Hi</p>"),
        ('<div class="bold evil p2 term-fg31">Hi</div>', '<div class="bold p2 term-fg31">Hi</div>'),
        ('<span class="evil">Hi</span>', "<p><span>Hi</span></p>\n"),
        ('<a href="javascript:x()">Hi</a>', "<p><a>Hi</a></p>\n"),
        ('<a href="itms-services://a">Hi</a>', '<p><a href="itms-services://a">Hi</a></p>\n'),
        ("<details open>\n<summary>Hi</summary>\n</details>", '<details open="">\n<summary>Hi</summary>\n</details>'),
    ],
)
def test_html_of_annotations_is_sanitized(http: Session, body: str, html: str) -> None:
    assert rendered(http, body) == html


# https://buildkite.com/docs/pipelines/configure/annotations#formatting-annotations-embedding-and-linking-artifacts-in-annotations
@pytest.mark.usefixtures("build")
def test_artifacts_are_embedded_and_linked(http: Session) -> None:
    image = '<img src="artifact://indy.png" alt="Belongs in a museum" height=250 >'
    assert rendered(http, image) == '<img src="artifact://indy.png" alt="Belongs in a museum" height="250">'
    link = 'Read the <a href="artifact://coverage/index.html">uploaded coverage report</a>'
    assert rendered(http, link) == f"<p>{link}</p>\n"


# https://buildkite.com/docs/pipelines/configure/annotations#colored-console-output
@pytest.mark.usefixtures("build")
@pytest.mark.parametrize("language", ["term", "terminal"])
def test_ten_terminal_blocks_are_colored(http: Session, language: str) -> None:
    html = rendered(http, f"```{language}\nThis is a \x1b[31mtest\x1b[0m\n```\n" * 11)
    colored = '<pre class="term"><code>This is a <span class="term-fg31">test</span></code></pre>'
    assert html.count(colored) == 10
    assert html.count("<pre>") == 1


# https://buildkite.com/docs/pipelines/configure/annotations#create-a-build-annotation
@pytest.mark.usefixtures("build")
def test_a_body_has_at_most_a_mebibyte(http: Session) -> None:
    path, half = f"{WEB}/annotations", "é" * (1 << 18)
    assert http.post(path, json={"body": half, "append": True}).status_code == 201
    assert http.post(path, json={"body": half, "append": True}).status_code == 201
    assert http.post(path, json={"body": "x", "append": True}).status_code == 422
    assert http.post(path, json={"body": half * 2 + "x"}).status_code == 422
