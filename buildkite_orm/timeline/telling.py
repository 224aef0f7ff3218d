"""What is said of a timeline in each form of it, and its colours."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.display.cells import safe_href
from buildkite_orm.display.html import GROUNDS
from buildkite_orm.display.tones import Tone
from buildkite_orm.states import JobFailure
from buildkite_orm.words import harmless, one_line, short_duration, with_emoji

if TYPE_CHECKING:
    from buildkite_orm.resource import Resource
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.timeline.data import Timeline, TimelineRow

_LINE: Final = 400
_COLOURED: Final = re.compile(r"((?:fill|stroke): ?)var\(--bk-(\w+)\)")
_BANDS: Final = {"light": "#fff3c4", "dark": "#3d3517"}


def variables(selector: str) -> str:
    """Write the colours as CSS variables, for dark and light: as the system has it, or the notebook where that says so.

    Args:
        selector: What they are for.
    """
    light, dark = _declared("light"), _declared("dark")
    return (
        f"{selector}{{{light}}}@media(prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f'[data-jp-theme-light="true"] {selector},.vscode-light {selector},html[theme="light"] {selector}{{{light}}}'
        f'[data-jp-theme-light="false"] {selector},.vscode-dark {selector},.vscode-high-contrast {selector},'
        f'html[theme="dark"] {selector}{{{dark}}}'
    )


def with_plain_colours(drawing: str) -> str:
    """Say each colour twice: what draws an SVG and knows no variables, as office programs do, takes the light one."""
    light = _colours("light")
    return _COLOURED.sub(lambda told: f"{told[1]}{light[told[2]]};{told[0]}", drawing)


def _declared(ground: Literal["light", "dark"]) -> str:
    return ";".join(f"--bk-{name}:{colour}" for name, colour in _colours(ground).items())


def _colours(ground: Literal["light", "dark"]) -> dict[str, str]:
    colours = dict(zip(("paper", "ink", "soft", "line"), GROUNDS[ground], strict=True))
    return colours | {"band": _BANDS[ground]} | {tone.value: getattr(tone, ground) for tone in Tone}


def state_of(build: Build) -> str:
    """Tell how a build stands: that it is blocked, whatever its state is, or its state."""
    return "blocked" if build.is_blocked else str(build.__dict__.get("state"))


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
    return [*told, *([f"{attempts} earlier attempt{'s' * (attempts != 1)} not loaded."] if attempts else [])]


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
    return escape(harmless(text))
