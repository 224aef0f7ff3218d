"""Make the pictures of the documentation, on the fake Buildkite: docs/pictures.

    python docs/make_pictures.py             draw all; the notebook with Chromium, if that is installed
    python docs/make_pictures.py --check     fail if a drawing is stale

Drawings are reproducible with the package versions in `made-with.txt`. The screenshot of the notebook is not, so it is
not checked.
"""

from __future__ import annotations

import html
import math
import random
import re
import shutil
import statistics
import sys
from importlib import import_module
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console

from buildkite_orm.fake import FakeBuildkite

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite

PICTURES: Final = Path(__file__).parent / "pictures"
MADE_WITH: Final = PICTURES / "made-with.txt"
_PACKAGES: Final = ("emoji", "matplotlib", "rich")
_PAGE: Final = """<!doctype html><meta charset="utf-8"><style>
body {{margin: 0; padding: 16px; width: 1000px; font: 14px/1.5 sans-serif; background: #fff}}
pre {{margin: 14px 0 8px; padding: 8px 10px; background: #f6f8fa; border: 1px solid #e3e6ea; border-radius: 4px}}
</style>{cells}"""
_MATPLOTLIB: Final[dict[Any, Any]] = {"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "buildkite_orm"}
# The code of the notebook cells.
_CELLS: Final = (
    'org = bk.organization("acme")\norg.pipeline("web").builds(branch="main").limit(6)',
    'org.pipeline("web").build(121).timeline()',
)


def timeline(bk: Buildkite) -> str:
    """Draw the timeline of the build in docs/slow.md."""
    builds = bk.organization("acme").pipeline("web").builds()
    build = builds.create(commit="HEAD", branch="main", message="Make it faster")
    return build.wait().timeline().svg()


def history(bk: Buildkite) -> str:
    """Draw the history of a pipeline."""
    return bk.organization("acme").pipeline("web").history(days=7, branch="main").svg()


def terminal(bk: Buildkite) -> str:
    """Draw the rich output for a listing of builds and for the jobs of a build."""
    web = bk.organization("acme").pipeline("web")
    console = Console(record=True, width=112, file=StringIO(), force_terminal=True, color_system="truecolor")
    for typed, listing in (
        ('web.builds(branch="main").limit(6)', web.builds(branch="main").limit(6)),
        ("web.build(121).jobs()", web.build(121).jobs()),
    ):
        list(listing)
        console.print(f"[dim]>>>[/dim] rich.print({typed})", highlight=False)
        console.print(listing)
        console.print()
    drawing = console.export_svg(title="buildkite_orm", unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)  # no external files


def queue_by_hour(_bk: Buildkite) -> str:
    """Draw the queue time of jobs by hour of day, of a simulated week with too few agents in the afternoon."""
    figures: Any = import_module("matplotlib.figure")
    matplotlib: Any = import_module("matplotlib")
    waits: dict[int, list[float]] = {hour: [] for hour in range(24)}
    with FakeBuildkite(populate=False) as server, server.client() as bk:
        _add_week(server)
        for build in bk.organization("acme").builds(with_jobs=True).iterator():
            for row in build.jobs().rows():
                waits[row["runnable_at"].hour].append(row["queue_time"])
    medians = [statistics.median(waits[hour]) for hour in waits]
    worst = [statistics.quantiles(waits[hour], n=10)[-1] for hour in waits]
    with matplotlib.rc_context(_MATPLOTLIB):
        figure = figures.Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        axes.bar(list(waits), worst, color="#c9d7e8", label="nine of ten jobs start within")
        axes.bar(list(waits), medians, color="#3b6ea5", label="median")
        axes.set(xlabel="hour of day, UTC", ylabel="queue time, seconds", xticks=range(0, 24, 3))
        axes.legend(frameon=False, loc="upper left")
        file = StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return file.getvalue()[file.getvalue().index("<svg ") :]


def _add_week(server: FakeBuildkite) -> None:
    """Add the builds of a week, whose jobs wait longer in the afternoon."""
    rng = random.Random(2026)  # noqa: S311 - always the same
    end = server.clock.now() // 86_400 * 86_400
    for _ in range(1_000):
        created_at = end - rng.randrange(7 * 86_400)
        hour = created_at % 86_400 / 3600
        started_at = created_at + 2 + rng.expovariate(1 / (5 + 90 * math.exp(-((hour - 15) ** 2) / 6)))
        times = {"started_at": started_at, "finished_at": started_at + 60}
        job = {"name": "Test", "state": "passed", "runnable_at": created_at, **times}
        server.add_build("web", created_at=created_at, state="passed", jobs=[job], **times)


DRAWINGS: Final[dict[str, Callable[[Buildkite], str]]] = {
    "history.svg": history,
    "queue_by_hour.svg": queue_by_hour,
    "terminal.svg": terminal,
    "timeline.svg": timeline,
}


def draw(name: str) -> str:
    """Make one drawing on a new fake Buildkite."""
    with FakeBuildkite() as server, server.client() as bk:
        return DRAWINGS[name](bk)


def made_with() -> str:
    """Return the package versions that the drawings depend on."""
    return "".join(f"{package} {version(package)}\n" for package in _PACKAGES)


def notebook(path: Path) -> None:
    """Take a screenshot of a notebook with Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - needs a browser

    with FakeBuildkite() as server, server.client() as bk, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1032, "height": 400}, device_scale_factor=1.5)
        page.set_content(_PAGE.format(cells="".join(_cell(code, bk) for code in _CELLS)))
        page.screenshot(path=path, full_page=True)
        browser.close()


def _cell(code: str, bk: Buildkite) -> str:
    """Render a cell and its output, by the same method that IPython calls."""
    names: dict[str, Any] = {"bk": bk, "org": bk.organization("acme")}
    *before, last = code.splitlines()
    exec("\n".join(before), names)  # noqa: S102 - the lines above
    shown = eval(last, names)._repr_mimebundle_()  # noqa: S307 - as IPython calls it
    return f"<pre>{html.escape(code)}</pre>{shown.get('text/html') or shown['image/svg+xml']}"


def main() -> int:
    """Draw all, or report stale drawings."""
    if "--check" in sys.argv[1:]:
        stale = [name for name in DRAWINGS if (PICTURES / name).read_text(encoding="utf-8") != draw(name)]
        sys.stderr.write("".join(f"{name} is stale\n" for name in stale))
        return len(stale)
    PICTURES.mkdir(exist_ok=True)
    for name in DRAWINGS:
        (PICTURES / name).write_text(draw(name), encoding="utf-8")
    MADE_WITH.write_text(made_with())
    if shutil.which("chromium"):
        notebook(PICTURES / "notebook.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
