"""Each fault against each operation, and the other tables: as required, and as docs/reliability.md shows."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING

import pytest

from tests.reliability.page import PAIRS, PATH, ROWS, cells_of, cells_on, measured, rendered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reliability.cases import Fault
    from tests.reliability.operations import Operation
    from tests.reliability.tables import Row, Table

PAGE = PATH.read_text(encoding="utf-8")
CELLS = cells_on(PAGE)


@pytest.mark.parametrize(
    ("fault", "operation"), PAIRS, ids=[f"{operation.name}: {fault.name}" for fault, operation in PAIRS]
)
def test_a_fault_has_the_required_outcome_and_the_page_shows_it(fault: Fault, operation: Operation) -> None:
    outcome = measured(fault, operation)
    assert outcome == fault.expected[operation.kind]
    assert str(outcome) == CELLS[fault.name, operation.name], "out of date: run python docs/make_reliability.py"


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{table.title}: {row.name}" for table, row in ROWS])
def test_a_row_is_as_required_and_the_page_shows_it(table: Table, row: Row) -> None:
    for place, cell in cells_of(table, row).items():
        assert cell == CELLS.get(place), "out of date: run python docs/make_reliability.py"


def test_no_two_cells_have_the_same_names() -> None:
    cells = [(fault.name, operation.name) for fault, operation in PAIRS]
    cells += [(row.name, column) for table, row in ROWS for column in table.columns]
    assert len(set(cells)) == len(cells)


def test_the_page_has_these_tables() -> None:
    """With the tests above, this is what `docs/make_reliability.py --check` finds."""
    assert rendered(CELLS) == PAGE, "out of date: run python docs/make_reliability.py"


def test_the_script_detects_a_page_that_is_out_of_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = runpy.run_path(str(PATH.with_name("make_reliability.py")))
    cells = dict(CELLS)
    copy = tmp_path / "reliability.md"

    def remembered_cell(fault: Fault, operation: Operation) -> str:
        return cells[fault.name, operation.name]

    def remembered_row(table: Table, row: Row) -> dict[tuple[str, str], str]:
        return {(row.name, column): cells[row.name, column] for column in table.columns}

    monkeypatch.setitem(script["main"].__globals__, "measured", remembered_cell)
    monkeypatch.setitem(script["main"].__globals__, "cells_of", remembered_row)
    monkeypatch.setitem(script["main"].__globals__, "PATH", copy)
    monkeypatch.setattr(sys, "argv", ["make_reliability.py", "--check"])
    assert script["main"]() == 1
    copy.write_text(PAGE, encoding="utf-8")
    assert script["main"]() == 0
    cells[PAIRS[0][0].name, PAIRS[0][1].name] = "lost"
    assert script["main"]() == 1
