"""Write into the README and the pages of the documentation what the code in them really shows.

    python docs/make_outputs.py            all pages
    python docs/make_outputs.py logs.md    those whose path ends so

Look at what has changed before you keep it. How blocks run is in tests/docs/page.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.docs.page import PAGES, as_it_must_be


def main() -> int:
    """Run the code of the pages, and write what it shows."""
    ends = tuple(sys.argv[1:]) or ("",)
    for path in PAGES:
        if path.as_posix().endswith(ends):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                page, _ = as_it_must_be(path, Path(folder))
                path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
