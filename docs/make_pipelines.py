"""Write the table of docs/testing.md: the keys of pipelines in YAML, from the code of the fake.

python docs/make_pipelines.py           write it
python docs/make_pipelines.py --check   fail if it is out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from buildkite_orm.fake.pipeline_yaml.keys import table

PAGE = Path(__file__).parent / "testing.md"
TABLE = re.compile(r"^\| step \| key \|.*\n(?:\|.*\n)*", re.MULTILINE)


def main() -> int:
    """Write the table, or return 1 if it is out of date."""
    text = PAGE.read_text(encoding="utf-8")
    lines = "".join(f"{line}\n" for line in table())
    written = TABLE.sub(lambda _: lines, text, count=1)
    if "--check" in sys.argv[1:]:
        return int(text != written)
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
