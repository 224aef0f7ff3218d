"""The text of docs/reliability.md: the matrix, the other tables, and an explanation of their words."""

from __future__ import annotations

import re
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

_AND: Final = " / "
_GROUP: Final = re.compile(r"\*\*(.+?)\*\*: (.*?)(?=<br>|$)")
PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
PAIRS: Final = tuple((fault, operation) for operation in OPERATIONS for fault in FAULTS)
TABLES: Final = (budgets.TABLE, *listings.TABLES, drift.TABLE, *leaks.TABLES, *disk.TABLES)
ROWS: Final = tuple((table, row) for table in TABLES for row in table.rows)

_BEGINNING: Final = f"""\
# When something goes wrong

What the client does about each fault, by operation, and how it treats request budgets, listings, unexpected responses,
secrets and files. Each cell was measured: the library against the fake Buildkite, with the default settings of a
client, and faults over real sockets. This page is written by `python docs/make_reliability.py`; a test fails if a cell
is not what happens. Two longer checks are commands of their own:

<!-- not run: they take longer than tests may, and tests run shorter forms -->
```console
$ python -m benchmarks.soak --requests 100000 --threads 8 --faults 0.2
$ python -m benchmarks.deep_history --builds 100000 --depth 2500
```

The first sends that many requests while a fifth of the responses is broken. It fails unless all data is exact in the
end, no socket is open, and memory has grown by less than 10 MB. The second reads a long history while builds change.

## What you can rely on

- **A read returns exact data, or raises.** It is retried after a pause until a response is complete (its length, its
  compression, its JSON), with at most {POLICY.attempts} attempts. No list is truncated without an error, and no file
  has its final name before it is complete.
- **After an error, a listing continues.** The page that failed is requested again; the pages that were loaded are not.
  That holds for the client's attempts and for yours: `list(builds)` after an error continues at that page.
- **A write happens once.** What starts something (`create`, `rebuild`, `publish`, …) is retried only if it certainly
  did not happen: there was no connection, or the status was 429. Writes with the same effect when repeated (`update`,
  `delete`) are retried as reads are, except the updates of package registries and their tokens, which are POSTs.
- **If it is unknown whether a write has happened, the error says so**: its `outcome_unknown` is True, and its message
  names the URL that shows whether it has. If it is False, nothing has happened.
- **Nothing waits forever.** A request ends, with all its attempts and pauses, {POLICY.max_elapsed:g} seconds
  (`max_elapsed`) after it began, even if its response arrives byte by byte. Connecting takes at most {TIMEOUT[0]:g}
  seconds, and waiting for a byte {TIMEOUT[1]:g}. The content of a file may take longer as long as bytes arrive; its
  headers have the same deadline. Set all of that by `Buildkite(retry=RetryPolicy(…), timeout=…)`.
- **A retried deletion that finds nothing has succeeded**; so has the revocation of a token that is no longer known.
- **If a request budget is used up (429), the client waits**; that does not count as an attempt. If the wait would
  exceed the policy, it raises `RateLimitError`, whose `retry_after` is the wait in seconds.

## How to read the tables

A row shows the outcome of a fault that occurs once and, after a semicolon, of one that occurs each time. The number in
parentheses is the number of attempts. A row with one outcome has it for all operations in the head of the table;
otherwise each outcome is behind the names of its operations.

| word | meaning |
| --- | --- |
| right | exactly the data as without the fault |
| done | the write has happened, once |
| `…Error` | it is raised; if the request was a write, it has not happened |
| `…Error`? | it is raised, and `outcome_unknown` is True: the write may have happened |
| {NOT_APPLICABLE} | the fault is impossible there, or cannot be detected |

So "right (2); `ServerError` (5)" means: the second attempt returns the right data; if the fault persists, five attempts
fail, and `ServerError` is raised.
"""

_READS: Final = f"""\
Listings of {PAGES} pages: the fault occurs once on the first, the middle and the last page; or each time on the middle
one.
"""
_WRITES: Final = """\
Each fault occurs, where possible, both before and after the server has processed the request. The client cannot
distinguish these, and does the same. Responses to deletions have no body that could be damaged.
"""
_FILES: Final = """\
An artifact takes two requests: one to the API for a link, and one to the storage for the file. A package is uploaded in
one request (see Writes), or to the storage by a form from the API. An artifact is compared with its size and checksums
when it is complete: if a stream raises, discard what it has returned. A log has no checksum: one that the server itself
truncates looks complete.
"""
_MATRIX: Final = (("Reads", READS, _READS), ("Writes", WRITES, _WRITES), ("Files", FILES, _FILES))

_CONNECTIONS: Final = """\
A proxy, TLS and a reused connection add further points at which a connection may end. At each point, the connection was
closed, reset or left without a byte, over plain HTTP, TLS and an HTTP proxy, on raw sockets; each is a test in
`tests/network/test_write_once.py`. The first attempt fails, and all further ones would succeed:

| the connection ends | `fetch`, listings, logs | `update`, `delete` | `create`, `rebuild` |
| --- | --- | --- | --- |
"""
_POINTS: Final = {
    "lookup": "while the host name is resolved",
    "connect": "while connecting to the server or the proxy",
    "proxy accepts": "when the proxy has accepted it",
    "proxy has read CONNECT": "when the proxy has read the CONNECT request",
    "proxy has sent its status": "when the proxy has confirmed the tunnel",
    "proxy refuses": "with a 502 of the proxy",
    "TLS": "during the TLS handshake",
    "idle": "between two requests",
    "headers out": "while the headers of the request are sent",
    "body out": "while the body of the request is sent",
    "no status": "after the request, before the response",
    "half a status line": "within the status line",
    "half the headers": "within the headers of the response",
    "half the body": "within the body of the response",
}
_EFFECTS: Final = {
    broken.UNSENT: "attempted twice, sent once",
    broken.RECONNECTED: "sent once, over a new connection",
    broken.REPEATED: "sent twice",
    broken.ONCE: "sent once; an error with `outcome_unknown`",
}


def measured(fault: Fault, operation: Operation) -> Outcome:
    """Return the outcome of a pair."""
    return NOT_APPLICABLE if fault.expected[operation.kind] is NOT_APPLICABLE else measure(fault, operation)


def cells_of(table: Table, row: Row) -> dict[tuple[str, str], str]:
    """Measure a row of a table, and return its cells by the names of row and column."""
    return {(row.name, column): cell for column, cell in zip(table.columns, row.measure(), strict=True)}


def rendered(cells: Known) -> str:
    """Return the text of the page.

    Args:
        cells: The cells by the names of row and column; in the matrix, by those of fault and operation.
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
    """Yield a table of two columns, which fits a phone: equal cells of a row share a line in the second one."""
    yield f"|  | {_AND.join(columns)} |\n| --- | --- |\n"
    for name in names:
        groups: dict[str, list[str]] = {}
        for column in columns:
            groups.setdefault(cells[name, column], []).append(column)
        if len(groups) == 1:
            yield f"| {name} | {next(iter(groups))} |\n"
        else:
            lines = (f"**{_AND.join(group)}**: {cell}" for cell, group in groups.items())
            yield f"| {name} | {'<br>'.join(lines)} |\n"


def _ends() -> Iterator[str]:
    rows = list(broken.rows())
    assert {row.place for row in rows} == _POINTS.keys()
    for place, words in _POINTS.items():
        # the outcome depends on neither how the connection ends nor the route
        (cells,) = {(row.safe, row.repeatable, row.acting) for row in rows if row.place == place}
        yield f"| {' | '.join((words, *(_EFFECTS[cell] for cell in cells)))} |\n"


def cells_on(page: str) -> dict[tuple[str, str], str]:
    """Return the cells of a page, by the names of row and column."""
    cells: dict[tuple[str, str], str] = {}
    columns: list[str] = []
    for line in page.splitlines():
        first, *others = (cell.strip() for cell in line.strip("|").split(" | ")) if line.startswith("| ") else ("",)
        if line.startswith("|  |"):
            columns = others[0].split(_AND)
        elif others and columns:
            groups = _GROUP.findall(others[0]) or [(_AND.join(columns), others[0])]
            cells |= {(first, column): cell for group, cell in groups for column in group.split(_AND)}
    return cells
