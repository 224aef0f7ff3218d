"""The check of the types of the code in the pages finds errors, and names their lines."""

from __future__ import annotations

import re

import pytest

from tests.docs.check_types import check, modules

PAGE = """# A page

```python
>>> build = bk.organization("acme").pipeline("web").build(1).fetch()
>>> build.stat
>>> bk.organization("acme").builds(stat="failed")
Traceback (most recent call last):
    ...
TypeError: no filter stat
```

```python
# shown.py
def shown(text):
    return text
```
"""


def test_lines_have_the_numbers_of_the_page() -> None:
    found = modules("page", PAGE)
    assert found.lines["page"][4:] == ["build.stat"]
    assert found.lines["shown"][13:] == ["def shown(text):", "    return text"]


def test_a_block_that_needs_a_missing_package_is_skipped_with_the_blocks_that_use_it() -> None:
    named = "```python\n# named_module.py\nimport no_such_package\n```\n"
    page = f"{named}\n```python\nimport named_module\n```\n"
    assert modules("page", page).skipped == {2: "no_such_package is not installed", 7: "named_module has no types"}


def test_errors_of_both_checkers_name_the_page_and_the_line() -> None:
    pytest.importorskip("mypy", reason="install the extra check")
    pytest.importorskip("pyright", reason="install the extra check")
    errors, skipped = check({"docs/page.md": PAGE})
    assert skipped == {}
    found = [re.match(r"docs/page\.md:(\d+)(:\d+ - )?", error) for error in errors]
    lines = [(int(each[1]), "pyright" if each[2] else "mypy") for each in found if each]
    assert set(lines) == {(line, checker) for line in (5, 14) for checker in ("mypy", "pyright")} | {(15, "pyright")}
