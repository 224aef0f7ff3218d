"""Run the code in README and guides and write its output into them.

    python docs/make_outputs.py            all pages
    python docs/make_outputs.py logs.md    pages whose path ends with this

Review the changes before you commit them. tests/docs/page.py describes how blocks run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.docs.page import PAGES, as_it_must_be


def main() -> int:
    """Run the code of the pages and write its output."""
    suffixes = tuple(sys.argv[1:]) or ("",)
    for path in PAGES:
        if path.as_posix().endswith(suffixes):
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                page, _ = as_it_must_be(path, Path(folder))
                path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
