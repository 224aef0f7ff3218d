"""Write docs/reliability.md: faults, budgets, secrets and files, measured against the fake Buildkite.

    python docs/make_reliability.py           write it
    python docs/make_reliability.py --check   fail if it is out of date

The measurements and their requirements are in tests/reliability.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.reliability.page import PAIRS, PATH, ROWS, cells_of, measured, rendered


def main() -> int:
    """Write the page, or return 1 if it is out of date."""
    cells = {(fault.name, operation.name): str(measured(fault, operation)) for fault, operation in PAIRS}
    for table, row in ROWS:
        cells |= cells_of(table, row)
    text = rendered(cells)
    if "--check" in sys.argv[1:]:
        return 0 if PATH.exists() and PATH.read_text(encoding="utf-8") == text else 1
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
