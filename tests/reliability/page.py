"""docs/reliability.md: the matrix and the other tables, and what their words mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.network import test_write_once as broken
from tests.reliability import budgets, disk, drift, leaks, listings
from tests.reliability.cases import FAULTS, NOT_APPLICABLE, Fault, Outcome
from tests.reliability.matrix import measure
from tests.reliability.operations import FILES, OPERATIONS, PAGES, READS, WRITES, Operation
from tests.reliability.stage import POLICY, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.reliability.tables import Row, Table

    Known = Mapping[tuple[str, str], str]

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
PAIRS: Final = tuple((fault, operation) for operation in OPERATIONS for fault in FAULTS)
TABLES: Final = (budgets.TABLE, *listings.TABLES, drift.TABLE, *leaks.TABLES, *disk.TABLES)
ROWS: Final = tuple((table, row) for table in TABLES for row in table.rows)

_BEGINNING: Final = f"""\
# When something goes wrong

What a client does about each fault, operation by operation; then what becomes of request budgets, listings, odd
answers, secrets and files. Each cell was measured: the library against the fake Buildkite, with the settings that a
client has by default; faults over real sockets. This page is made by `python docs/make_reliability.py`, and a test
fails where it is not what happens. What takes longer than tests may is a command of its own:

<!-- not run: they take longer than tests may, and tests run shorter forms -->
```console
$ python -m benchmarks.soak --requests 100000 --threads 8 --faults 0.2
$ python -m benchmarks.deep_history --builds 100000 --depth 2500
```

The first sends that many requests while a fifth of the answers is broken, and fails unless all data is exact in the
end, no socket open, and memory grown by less than 10 MB. The second reads a long history while its builds move.

## What you can rely on

- **A read gives exactly the right data, or raises.** It is sent again after a pause until an answer is whole (its
  length, its packing, its JSON), at most {POLICY.attempts} times in all. No list is cut short without an error, and no
  file lies under its final name before it is whole.
- **After an error, a listing goes on where it stopped.** The page that failed is the one that is asked for again; what
  was loaded is not. That holds for the attempts of the client, and for yours: `list(builds)` after an error goes on.
- **A write happens once.** What starts something (`create`, `rebuild`, `publish`, …) is sent again only where it was
  surely not done: no connection was made, or the answer was 429. What is the same when repeated (`update`, `delete`)
  is sent again as a read is; but not the updates of package registries and their tokens, which the API takes by POST.
- **Where nobody can know whether a write has happened, the error says so**: its `outcome_unknown` is True, and its text
  names the URL that shows whether it has. Where it is False, nothing has happened.
- **Nothing takes for ever.** A request has ended, with all of its attempts and pauses, {POLICY.max_elapsed:g} seconds
  (`max_elapsed`) after it began, also where a response arrives byte by byte. Connecting takes at most {TIMEOUT[0]:g}
  seconds, and waiting for a byte {TIMEOUT[1]:g}. Only a file may take as long as bytes come; its headers have the same
  deadline. All of that is set by `Buildkite(retry=RetryPolicy(…), timeout=…)`.
- **A deletion that was sent again and finds nothing has succeeded**; so has the revocation of a token that is not
  known any more.
- **A used-up request budget (429) is waited for**, and is no failed attempt. Where that would take longer than the
  policy allows, `RateLimitError` tells in `retry_after` how long.

## How to read the tables

A cell says what comes of a fault that strikes once and, behind a semicolon, of one that strikes each time. In
parentheses stands how often the request was attempted.

| word | meaning |
| --- | --- |
| right | exactly the data that comes without the fault |
| done | the write has happened, once |
| `…Error` | this is raised; if it was a write, it has not happened |
| `…Error`? | this is raised, and `outcome_unknown` is True: the write may have happened |
| {NOT_APPLICABLE} | the fault cannot be, or nobody could see it |

So "right (2); `ServerError` (5)" reads: the second attempt gives the right data; where the fault stays, five attempts
fail, and `ServerError` is raised.
"""

_READS: Final = f"""\
Listings of {PAGES} pages: the first, the middle and the last page are struck once; or the middle one each time.
"""
_WRITES: Final = """\
Each fault is played both ways where it can be: before the server has done what was asked, and after. The client cannot
tell, and does the same. To a deletion comes no body, so that none can break.
"""
_FILES: Final = """\
An artifact takes two requests: to the API for a link, and to the storage for the file. A package is uploaded in one
request (see Writes), or by a form that the API gives, to the storage. What comes of an artifact is compared with the
size and the checksums that the API tells, in the end: what a stream has given until then is to be thrown away where it
raises. A log has no checksum: one that the server itself cuts cannot be told from a whole one.
"""
_MATRIX: Final = (("Reads", READS, _READS), ("Writes", WRITES, _WRITES), ("Files", FILES, _FILES))

_CONNECTIONS: Final = """\
A proxy, TLS and a reused connection bring further places where a connection may end. At each place, a connection was
closed, reset or left without a byte, over plain HTTP, TLS and an HTTP proxy, on raw sockets; each is a test in
`tests/network/test_write_once.py`. The first attempt fails, and all further ones would succeed:

| the connection ends | `fetch`, listings, logs | `update`, `delete` | `create`, `rebuild` |
| --- | --- | --- | --- |
"""
_PLACES: Final = {
    "lookup": "while the host name is looked up",
    "connect": "while connecting to the server or the proxy",
    "proxy accepts": "when the proxy has accepted it",
    "proxy has read CONNECT": "when the proxy has read what to connect to",
    "proxy has sent its status": "when the proxy has said that it is connected",
    "proxy refuses": "with a 502 of the proxy",
    "TLS": "within the TLS handshake",
    "idle": "between two requests",
    "headers out": "while the headers of the request are sent",
    "body out": "while the body of the request is sent",
    "no status": "after the request, before the response",
    "half a status line": "within the status line",
    "half the headers": "within the headers of the response",
    "half the body": "within the body of the response",
}
_COMES: Final = {
    broken.UNSENT: "attempted twice, sent once",
    broken.RECONNECTED: "sent once, over a new connection",
    broken.REPEATED: "sent twice",
    broken.ONCE: "sent once; an error with `outcome_unknown`",
}


def measured(fault: Fault, operation: Operation) -> Outcome:
    """Give what comes of a pair."""
    return NOT_APPLICABLE if fault.expected[operation.kind] is NOT_APPLICABLE else measure(fault, operation)


def cells_of(table: Table, row: Row) -> dict[tuple[str, str], str]:
    """Measure a row of a table, and give its cells by the names of row and column."""
    return {(row.name, column): cell for column, cell in zip(table.columns, row.measure(), strict=True)}


def rendered(cells: Known) -> str:
    """Write the page.

    Args:
        cells: What stands in each cell, by the names of row and column; in the matrix, those of fault and operation.
    """
    parts = [_BEGINNING]
    for title, operations, note in _MATRIX:
        names, columns = [fault.name for fault in FAULTS], [operation.name for operation in operations]
        parts += [f"\n## {title}\n\n{note}\n", *_lines(names, columns, cells)]
    parts += ["\n## Where a connection ends\n\n", _CONNECTIONS, *_ends()]
    for table in TABLES:
        parts += [f"\n## {table.title}\n\n{table.note}\n"]
        parts += _lines([row.name for row in table.rows], table.columns, cells)
    return "".join(parts)


def _lines(names: Sequence[str], columns: Sequence[str], cells: Known) -> Iterator[str]:
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[name, *(cells[name, column] for column in columns)] for name in names]
    return (f"| {' | '.join(row)} |\n" for row in rows)


def _ends() -> Iterator[str]:
    rows = list(broken.rows())
    assert {row.place for row in rows} == _PLACES.keys()
    for place, words in _PLACES.items():
        # how the connection ends, and over which route, makes no difference
        (cells,) = {(row.safe, row.repeatable, row.acting) for row in rows if row.place == place}
        yield f"| {' | '.join((words, *(_COMES[cell] for cell in cells)))} |\n"


def told(page: str) -> dict[tuple[str, str], str]:
    """Read the cells off a page."""
    cells: dict[tuple[str, str], str] = {}
    columns: list[str] = []
    for line in page.splitlines():
        first, *others = (cell.strip() for cell in line.strip("|").split(" | ")) if line.startswith("| ") else ("",)
        if line.startswith("|  |"):
            columns = others
        cells |= {(first, column): cell for column, cell in zip(columns, others, strict=False)}
    return cells
