"""Texts and colors that several renderings of a timeline share."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.resources.builds.status import displayed_state
from buildkite_orm.utils.text import escape_control, one_line, short_duration, with_emoji
from buildkite_orm.views.display.cells import safe_href
from buildkite_orm.views.display.themes import THEMES, css_by_theme, css_declarations, theme_colors

if TYPE_CHECKING:
    from buildkite_orm.models.resource import Resource
    from buildkite_orm.views.display.themes import Theme
    from buildkite_orm.views.timeline.data import Timeline, TimelineRow

_MAX_LINE: Final = 400
_COLOR_VARIABLE: Final = re.compile(r"((?:fill|stroke): ?)var\(--bk-(\w+)\)")
_BANDS: Final[dict[Theme, str]] = {"light": "#fff3c4", "dark": "#3d3517"}


def css_variables(selector: str) -> str:
    """Return CSS that declares the colors as variables, for the light and the dark theme.

    Args:
        selector: The elements for which they are declared.
    """
    return css_by_theme(selector, *(css_declarations(_colors(theme)) for theme in THEMES))


def css_color(property_name: str, color: str) -> str:
    """Return a CSS declaration of a color, as a value and as a variable: office programs know no variables.

    Args:
        property_name: `fill` or `stroke`.
        color: The name of the color.
    """
    return with_fallback_colors(f"{property_name}:var(--bk-{color})")


def with_fallback_colors(css: str) -> str:
    """Put the light color as a value before each color variable.

    Args:
        css: CSS or an SVG of this package, without text from elsewhere.
    """
    light = _colors("light")
    return _COLOR_VARIABLE.sub(lambda found: f"{found[1]}{light[found[2]]};{found[0]}", css)


def _colors(theme: Theme) -> dict[str, str]:
    return theme_colors(theme) | {"band": _BANDS[theme]}


def summary_line(timeline: Timeline) -> str:
    """Return one line with the name, state, branch and duration of a build."""
    build, took = timeline.build, short_duration(timeline.duration)
    attempts = timeline.missing_attempts
    missing = f", without {attempts} earlier attempt{'s' * (attempts != 1)}" if attempts else ""
    return f"{timeline.name} {displayed_state(build)} on {build.__dict__.get('branch')}, {took}{missing}"


def summary(timeline: Timeline) -> str:
    """Return a description of a timeline in a few sentences."""
    sentences = [f"{len(timeline.rows)} jobs in {short_duration(timeline.duration)}."]
    titles = ", ".join(f"{with_emoji(row.title)}{row.suffix}" for row in timeline.critical_path)
    if titles:
        sentences.append(f"Critical path: {timeline.critical_times}; {one_line(titles, _MAX_LINE)}.")
    return " ".join([*sentences, *notes(timeline)])


def notes(timeline: Timeline) -> list[str]:
    """Return notes about what a timeline does not show."""
    jobs, attempts, problem = len(timeline.unplaced), timeline.missing_attempts, timeline.problem
    lines = [f"{jobs} job{'s' * (jobs != 1)} not shown: not started, or without times."] if jobs else []
    lines += [f"{attempts} earlier attempt{'s' * (attempts != 1)} not loaded."] if attempts else []
    lines += [one_line(f"Earlier attempts could not be loaded: {problem}", _MAX_LINE)] if problem else []
    return lines


def web_link(resource: Resource, markup: str, *, new_tab: bool = False) -> str:
    """Link markup to the page of a resource on Buildkite; return it unchanged if there is no safe URL."""
    url = safe_href(resource.__dict__.get("web_url"))
    target = ' target="_blank"' if new_tab else ""
    return markup if url is None else f'<a href="{escape(url)}"{target} rel="noopener noreferrer">{markup}</a>'


def describe(row: TimelineRow) -> str:
    """Return one line about a job: its state, its intervals and its agent."""
    data = row.job.__dict__
    soft = " softly" if row.job.failure == JobFailure.SOFT_FAILED else ""
    status = f" (exit status {data['exit_status']})" if data.get("exit_status") else ""
    agent = getattr(data.get("agent"), "name", None)
    parts = [f"{with_emoji(row.title)}{row.suffix}: {data.get('state')}{soft}{status}", *map(str, row.intervals)]
    parts += [f"on {agent}"] if isinstance(agent, str) else []
    parts += ["on the critical path"] if row.is_critical else []
    return one_line(", ".join(parts), _MAX_LINE)


def escape_text(text: str) -> str:
    """Escape a text for HTML and XML, and its control characters."""
    return escape(escape_control(text))
