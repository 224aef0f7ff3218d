"""All measurements in one run, beside what people use today; the table goes into docs/performance.md.

python -m benchmarks           measure, print, and write docs/performance.md (some ten minutes)
python -m benchmarks --quick   a short form, which writes nothing: its numbers are noise, and its rows are all there
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rows import FULL, QUICK, Bench

if TYPE_CHECKING:
    from benchmarks.rows import Row

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

_PAGE = """# Performance

What `python -m benchmarks` measured: this library and pybuildkite 1.3.0 (or the bare peer that a row names), one after
the other in processes of their own, against one fake Buildkite in its own process over loopback HTTP. The fake serves
both the same bytes for the same request. What counts are the ratios: medians of several runs by turns, with the least
and the most where each run gives one. Where two numbers are told, ours comes first.

{table}

{verdict}

{notes}

Measured with {setup}.
The fake runs beside the client, so that wall times have its work in them; a shared machine makes single runs differ by
a tenth and more, which is why the least and the most are told.
"""


def table(rows: list[Row]) -> str:
    """Write the rows as a table in Markdown."""
    lines = ["| work | must be | measured | | behind it |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        value = f"{row.value:.3g}{row.unit}"
        spread = f" ({row.spread[0]:.3g} to {row.spread[1]:.3g})" if row.spread else ""
        met = "met" if row.is_met else "**not met**"
        lines.append(f"| {row.work} | {row.must} | {value}{spread} | {met} | {row.told} |")
    return "\n".join(lines)


def verdict(rows: list[Row]) -> str:
    """Say in words which limits are not met."""
    missed = [f"{row.work} ({row.value:.3g}{row.unit}, {row.must})" for row in rows if not row.is_met]
    return f"**Not met:** {'; '.join(missed)}." if missed else "All limits are met."


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a short form")
    quick = parser.parse_args().quick
    bench = Bench(QUICK if quick else FULL, apart=not quick)
    rows: list[Row] = []
    for row in bench.rows():
        rows.append(row)
        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
    told = table(rows)
    print("\n".join([told, "", verdict(rows), "", *bench.notes]))
    if not quick:
        names = ("requests", "pydantic", "urllib3", "pybuildkite")
        packages = ", ".join(f"{name} {version(name)}" for name in names)
        setup = f"CPython {platform.python_version()}, {packages}, on {os.cpu_count()} cores"
        notes = "\n".join(f"- {note}" for note in bench.notes)
        PAGE.write_text(_PAGE.format(table=told, verdict=verdict(rows), notes=notes, setup=setup))
    return 0


if __name__ == "__main__":
    sys.exit(main())
