"""Measure everything, compared with pybuildkite and with plain code, and write benchmarks/README.md.

python -m benchmarks           measure, print, and write benchmarks/README.md (about ten minutes)
python -m benchmarks --quick   measure little and write nothing: checks that the benchmarks run, not how fast they are
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

PAGE = Path(__file__).parent / "README.md"

_PAGE = """# Benchmarks

`python -m benchmarks` writes this page. It compares this library with pybuildkite 1.3.0, or with the plain code that a
row names. Both sides run alternately, each in a process of its own, against one fake server in another process over
loopback HTTP. The server sends both sides the same bytes for the same request. The result is the ratio of the two: the
median of several runs, with the lowest and the highest in parentheses. Of two numbers, the first is this library's.

Users find a summary in [what to expect](../docs/performance.md).

{table}

{verdict}

{notes}

Measured with {setup}.
The fake server runs on the same machine as the client, so wall times include its work. On a shared machine, single runs
differ by a tenth and more.

## Other benchmarks

| command | what it checks |
| --- | --- |
| `python -m benchmarks.soak` | many requests in many threads, a fifth of which fail; all data is correct |
| `python -m benchmarks.deep_history` | a long listing while builds change; each build is listed once |
| `python -m benchmarks.processes` | how processes share the request budget of a token, and how artifact work scales |
| `python -m benchmarks.logs` | the time to render logs, and the memory to search a streamed one |
| `python -m benchmarks.cache` | what the cache saves and costs, its size and its memory |
| `python -m benchmarks.shell_start` | the time from `buildkite-orm shell --demo` to the prompt |
| `python -m benchmarks.tables` | the time and the memory of Arrow tables, Parquet files and DuckDB databases |
"""


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| task | limit | measured | | details |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        value = f"{row.value:.3g}{row.unit}"
        spread = f" ({row.spread[0]:.3g} to {row.spread[1]:.3g})" if row.spread else ""
        met = "met" if row.is_met else "**not met**"
        lines.append(f"| {row.task} | {row.requirement} | {value}{spread} | {met} | {row.details} |")
    return "\n".join(lines)


def verdict(rows: list[Row]) -> str:
    """Return a sentence that names the limits that are not met."""
    missed = [f"{row.task} ({row.value:.3g}{row.unit}, {row.requirement})" for row in rows if not row.is_met]
    return f"**Not met:** {'; '.join(missed)}." if missed else "All limits are met."


def main() -> int:
    """Run the benchmarks from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure little and write nothing")
    quick = parser.parse_args().quick
    bench = Bench(QUICK if quick else FULL, separate=not quick)
    rows: list[Row] = []
    for row in bench.rows():
        rows.append(row)
        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
    results = table(rows)
    print("\n".join([results, "", verdict(rows), "", *bench.notes]))
    if not quick:
        names = ("requests", "pydantic", "urllib3", "pybuildkite")
        packages = ", ".join(f"{name} {version(name)}" for name in names)
        setup = f"CPython {platform.python_version()}, {packages}, on {os.cpu_count()} cores"
        notes = "\n".join(f"- {note}" for note in bench.notes)
        PAGE.write_text(_PAGE.format(table=results, verdict=verdict(rows), notes=notes, setup=setup))
    return 0


if __name__ == "__main__":
    sys.exit(main())
