"""A timeline as an HTML page: the drawing, and tables of the critical path and of jobs without times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.resources.builds.status import displayed_state, job_title, moment
from buildkite_orm.utils.text import one_line, short_duration, with_emoji
from buildkite_orm.views.display.status_colors import style_of
from buildkite_orm.views.timeline.svg import draw
from buildkite_orm.views.timeline.text import css_variables, escape_text, web_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from buildkite_orm.models.resource import Resource
    from buildkite_orm.views.timeline.data import Timeline, TimelineRow

_CSS: Final = """
:root{color-scheme:light dark}
body{margin:0;background:var(--bk-paper);color:var(--bk-ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1040px;margin:0 auto;padding:24px 16px}
h1{font-size:22px;line-height:1.3;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:16px;margin:28px 0 8px}
p{margin:4px 0;overflow-wrap:anywhere}
a{color:var(--bk-busy)}
.state{font-weight:600}
.soft{color:var(--bk-soft)}
dl{display:flex;flex-wrap:wrap;gap:8px 32px;margin:16px 0}
dt{font-size:13px;color:var(--bk-soft)}
dd{margin:0;font-size:18px;font-variant-numeric:tabular-nums}
.drawing{border:1px solid var(--bk-line);border-radius:8px;overflow:hidden}
.drawing svg{display:block}
table{border-collapse:collapse;min-width:60%}
th,td{text-align:left;padding:4px 16px 4px 0;border-bottom:1px solid var(--bk-line);overflow-wrap:anywhere}
th{font-size:13px;font-weight:400;color:var(--bk-soft)}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
"""
_CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def render_page(timeline: Timeline) -> str:
    """Render the page of a timeline; see `Timeline.html`."""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_SECURITY_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape_text(timeline.name)}, timeline</title>",
            f"<style>{css_variables(':root')}{_CSS}</style>",
            "</head>\n<body>\n<main>",
            *_heading(timeline),
            f'<div class="drawing">{draw(timeline, with_heading=False)}</div>',
            *_critical_path(timeline),
            *_unplaced(timeline),
            *_missing(timeline),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _heading(timeline: Timeline) -> Iterator[str]:
    build, state = timeline.build, displayed_state(timeline.build)
    shown_state = f'<span class="state" style="color:var(--bk-{style_of(state)})">{escape_text(state)}</span>'
    yield f"<h1>{_linked(build, timeline.name)} {shown_state}</h1>"
    about = " · ".join(_about(timeline))
    message = with_emoji(str(build.__dict__.get("message") or ""))
    yield f"<p>{escape_text(one_line(message, 200))}</p>"
    yield f'<p class="soft">{escape_text(about)}</p>'
    figures = {
        "total duration": timeline.duration,
        "running, all jobs": timeline.running,
        "waiting for agents, all jobs": timeline.waiting,
        "blocked": timeline.blocked,
    }
    terms = (f"<div><dt>{term}</dt><dd>{short_duration(time)}</dd></div>" for term, time in figures.items() if time)
    yield f"<dl>{''.join(terms)}</dl>"


def _about(timeline: Timeline) -> Iterator[str]:
    data = timeline.build.__dict__
    branch, commit, created = data.get("branch"), data.get("commit"), moment(timeline.build, "created_at")
    yield from [f"branch {branch}"] if branch else []
    yield from [f"commit {str(commit)[:10]}"] if commit else []
    yield from [f"created {created:%Y-%m-%d %H:%M:%S} UTC"] if created else []
    yield from [] if timeline.build.is_finished else ["not finished"]


def _critical_path(timeline: Timeline) -> Iterator[str]:
    path = timeline.critical_path
    if not path:
        return
    yield "<h2>Critical path</h2>"
    yield f"<p>{short_duration(timeline.duration)} in all: {escape_text(str(timeline.critical_times))}.</p>"
    yield '<table class="critical-path">'
    heads = "".join(f'<th class="number">{head}</th>' for head in ("Waited", "Ran", "Blocked", "Share"))
    yield f"<tr><th>Job</th>{heads}</tr>"
    yield from (_path_row(row, timeline.duration) for row in path)
    yield "</table>"


def _path_row(row: TimelineRow, total: timedelta) -> str:
    times = [short_duration(time) if time else "" for time in (row.waiting, row.running, row.blocked)]
    share = f"{(row.end - row.start) / total:.0%}" if total else ""
    cells = "".join(f'<td class="number">{cell}</td>' for cell in (*times, share))
    title = f"{with_emoji(row.title)}{row.suffix}"
    return f"<tr><td>{_linked(row.job, title)}</td>{cells}</tr>"


def _unplaced(timeline: Timeline) -> Iterator[str]:
    if timeline.unplaced:
        yield "<h2>Not started, or without times</h2>\n<ul>"
        for job in timeline.unplaced:
            yield f"<li>{_linked(job, with_emoji(job_title(job)))}: {escape_text(str(job.__dict__.get('state')))}</li>"
        yield "</ul>"


def _missing(timeline: Timeline) -> Iterator[str]:
    if timeline.problem:
        problem = escape_text(one_line(timeline.problem, 200))
        yield f'<p class="soft">Earlier attempts could not be loaded: {problem}</p>'
    elif timeline.missing_attempts:
        attempts = f"{timeline.missing_attempts} earlier attempt{'s' * (timeline.missing_attempts != 1)}"
        yield f'<p class="soft">{attempts} not loaded: <code>timeline(include_retried_jobs=True)</code></p>'


def _linked(resource: Resource, text: str) -> str:
    return web_link(resource, escape_text(one_line(text, 200)))
