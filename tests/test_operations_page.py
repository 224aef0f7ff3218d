"""docs/operations.md is made from the code, up to date, and has every documented operation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documented import OPERATIONS, Operation

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_it_is_up_to_date() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "make_operations.py"), "--check"], check=False)
    assert checked.returncode == 0, "out of date: run python docs/make_operations.py"


def test_each_row_names_a_call_and_its_documentation() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| [")]
    assert len(rows) > 40
    for row in rows:
        assert re.fullmatch(
            r"\| \[.+\]\(https://buildkite\.com/docs/apis/rest-api/\S+#\S+\) \| `[a-z]\S*.*` \|", row
        ), row


def test_no_two_operations_have_the_same_call() -> None:
    calls = re.findall(r"\| `(.+)` \|$", PAGE, re.MULTILINE)
    assert {call for call in calls if calls.count(call) > 1} == {"annotation.delete()"}  # it knows its own path


def is_row_of(operation: Operation, page: str, heading: str) -> bool:
    """Return whether a link of the page leads to this operation; a heading may be prefixed with that of its section."""
    return page == operation.page and (heading == operation.heading or heading.endswith(f"-{operation.heading}"))


LINKS = re.findall(r"rest-api/([a-z/_-]+)#([a-z0-9-]+)\)", PAGE)


@pytest.mark.parametrize(("page", "heading"), LINKS)
def test_every_link_leads_to_a_documented_operation(page: str, heading: str) -> None:
    assert any(is_row_of(operation, page, heading) for operation in OPERATIONS)


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.page], ids=lambda operation: operation.id)
def test_every_documented_operation_has_a_row(operation: Operation) -> None:
    assert any(is_row_of(operation, page, heading) for page, heading in LINKS)
