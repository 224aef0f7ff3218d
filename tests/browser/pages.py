"""The pages to check: tables and cards of the fake's organization, and of text that would do harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import FakeBuildkite
from tests.views.display.odd import EVIL

if TYPE_CHECKING:
    from collections.abc import Callable


def html_of(*objects: Any) -> str:
    """Return the HTML of objects, as a notebook shows them."""
    return "<br>".join(obj._repr_mimebundle_()["text/html"] for obj in objects)


def tables() -> str:
    """Tables of several kinds."""
    with FakeBuildkite() as server, server.client() as bk:
        org = bk.organization("acme")
        build = org.pipeline("web").build(123).fetch()
        return html_of(bk.builds(), org.pipelines(), build.jobs(), org.agents(), build.annotations(), org.emojis())


def cards() -> str:
    """Cards of several kinds."""
    with FakeBuildkite() as server, server.client() as bk:
        org = bk.organization("acme")
        build = org.pipeline("web").build(119).fetch()
        failed = build.failed_jobs()[0]
        return html_of(build, failed, org.pipelines()[0], org.agents()[0], bk.builds(state="blocked")[0])


def hostile() -> str:
    """Return a table and a card of a build with malicious text."""
    with FakeBuildkite(populate=False) as server, server.client() as bk:
        server.add_build("web", message=EVIL, branch=f'{EVIL}" onmouseover="alert(1)')
        server.add_build("web", message="W" * 2000, branch="b" * 300)
        return html_of(bk.builds(), *bk.builds())


def jupyterlab() -> str:
    """A table and a card among the rules that JupyterLab has for all tables of its outputs, in its own themes."""
    with FakeBuildkite() as server, server.client() as bk:
        inner = html_of(bk.builds().limit(4), bk.builds()[3])
    dark = "document.body.dataset.jpThemeLight = !matchMedia('(prefers-color-scheme: dark)').matches"
    return f"""<style>
    .jp-RenderedHTMLCommon table {{ margin: 0 auto 1em; border: none; font-size: 12px; table-layout: fixed }}
    .jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th {{ text-align: right; padding: 0.5em; max-width: none }}
    .jp-RenderedHTMLCommon tbody tr:nth-child(odd) {{ background: #f5f5f5 }}
    .jp-RenderedHTMLCommon a:link {{ color: #00f }}
    </style><div class="jp-RenderedHTMLCommon">{inner}</div><script>{dark}</script>"""


def failure() -> str:
    """A listing that could not be loaded."""
    with FakeBuildkite() as server, server.client() as bk:
        return html_of(bk.organization("acme").pipeline("no-such").builds())


def timelines() -> str:
    """Timelines of a build that has passed, of one that runs, and of one that is blocked."""
    with FakeBuildkite() as server, server.client() as bk:
        pipeline = bk.organization("acme").pipeline
        build = pipeline("web").builds().create(commit="HEAD", branch="main", message="Make it faster")
        server.run(600)
        running = build.fetch().timeline()
        server.run(1000)
        return html_of(build.timeline(include_retried_jobs=True), running, pipeline("deploy").build(26).timeline())


def timeline() -> str:
    """The page of a build that has passed."""
    with FakeBuildkite() as server, server.client() as bk:
        build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", message="Faster")
        server.run(1600)
        return build.timeline(include_retried_jobs=True).html()


def history() -> str:
    """A month of a pipeline whose builds get slower."""
    with FakeBuildkite(populate=False) as server, server.client() as bk:
        now = server.clock.now()
        for number in range(400):
            created = now - (400 - number) * 6400
            started, took = created + 5 + number * 37 % 50, 600 + number / 2 + number * 53 % 240
            state = ("passed", "passed", "passed", "failed", "canceled")[number * number * 7 % 31 % 5]
            times = {"created_at": created, "started_at": started, "finished_at": started + took}
            server.add_build("web", state=state, **times)
        return html_of(bk.organization("acme").pipeline("web").history())


SCENES: dict[str, Callable[[], str]] = {
    "tables": tables,
    "cards": cards,
    "evil": hostile,
    "failure": failure,
    "jupyterlab": jupyterlab,
    "timelines": timelines,
    "timeline": timeline,
    "history": history,
}
