"""The command `buildkite-orm`, as `python -m buildkite_orm`."""

from __future__ import annotations

import sys

from buildkite_orm.cli import main

if __name__ == "__main__":
    sys.exit(main())
