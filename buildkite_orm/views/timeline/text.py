"""What is said of a timeline in each form of it, and its colours."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.resources.builds.status import displayed_state
from buildkite_orm.utils.text import escape_control, one_line, short_duration, with_emoji
from buildkite_orm.views.display.cells import safe_href
from buildkite_orm.views.display.themes import GROUNDS, colours, declared, themed

if TYPE_CHECKING:
    from buildkite_orm.models.resource import Resource
    from buildkite_orm.views.display.themes import Ground
    from buildkite_orm.views.timeline.data import Timeline, TimelineRow

_LINE: Final = 400
_COLOURED: Final = re.compile(r"((?:fill|stroke): ?)var\(--bk-(\w+)\)")
_BANDS: Final[dict[Ground, str]] = {"light": "#fff3c4", "dark": "#3d3517"}


def variables(selector: str) -> str:
    """Write the colours as CSS variables, for dark and light.

    Args:
        selector: What they are for.
    """
    return themed(selector, *(declared(_colours(ground)) for ground in GROUNDS))


def painted(what: str, name: str) -> str:
    """Write a colour as CSS, as a value and as a variable: office programs draw SVGs and know no variables.

    Args:
        what: `fill` or `stroke`.
        name: The name of the colour.
    """
    return with_plain_colours(f"{what}:var(--bk-{name})")


def with_plain_colours(rules: str) -> str:
    """Write each colour of CSS, or of a drawing, as `painted` does.

    Args:
        rules: What this library has written, without a text of anybody else.
    """
    light = _colours("light")
    return _COLOURED.sub(lambda found: f"{found[1]}{light[found[2]]};{found[0]}", rules)


def _colours(ground: Ground) -> dict[str, str]:
    return colours(ground) | {"band": _BANDS[ground]}


def headline(timeline: Timeline) -> str:
    """Return one line with the name, state, branch and duration of a build."""
    build, took = timeline.build, short_duration(timeline.duration)
    return f"{timeline.name} {displayed_state(build)} on {build.__dict__.get('branch')}, {took}"


def summary(timeline: Timeline) -> str:
    """Tell in a few sentences what a timeline shows."""
    told = [f"{len(timeline.rows)} jobs in {short_duration(timeline.duration)}."]
    titles = ", ".join(f"{with_emoji(row.title)}{row.which}" for row in timeline.critical_path)
    told += [f"Critical path: {timeline.critical_times}; {one_line(titles, _LINE)}."] if titles else []
    return " ".join([*told, *notes(timeline)])


def notes(timeline: Timeline) -> list[str]:
    """Tell what a timeline does not show."""
    jobs, attempts = len(timeline.unplaced), timeline.missing_attempts
    told = [f"{jobs} job{'s' * (jobs != 1)} without a place in time: not begun, or no times."] if jobs else []
    told += [f"{attempts} earlier attempt{'s' * (attempts != 1)} not loaded."] if attempts else []
    return [
        *told,
        *([one_line(f"Earlier attempts could not be loaded: {timeline.problem}", _LINE)] if timeline.problem else []),
    ]


def link_to(thing: Resource) -> str | None:
    """Give where the page of a thing is; None where what it tells is no address of a page."""
    return safe_href(thing.__dict__.get("web_url"))


def told_of(row: TimelineRow) -> str:
    """Tell what a job did, in a line."""
    told = row.job.__dict__
    soft = " softly" if row.job.failure == JobFailure.SOFT_FAILED else ""
    status = f" (exit status {told['exit_status']})" if told.get("exit_status") else ""
    agent = getattr(told.get("agent"), "name", None)
    parts = [f"{with_emoji(row.title)}{row.which}: {told.get('state')}{soft}{status}", *map(str, row.stretches)]
    parts += [f"on {agent}"] if isinstance(agent, str) else []
    parts += ["on the critical path"] if row.is_critical else []
    return one_line(", ".join(parts), _LINE)


def safe(text: str) -> str:
    """Escape a text for HTML and XML, and what does not print in it."""
    return escape(escape_control(text))
