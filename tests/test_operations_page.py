"""docs/operations.md: made from the code, not stale, and complete against the contract where that is at hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT.parent / "shared" / "contract" / "operations.json"
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_it_is_what_the_code_says() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "make_operations.py"), "--check"], check=False)
    assert checked.returncode == 0, "stale: run python docs/make_operations.py"


def test_each_row_names_a_call_and_its_documentation() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| [")]
    assert len(rows) > 40
    for row in rows:
        assert re.fullmatch(
            r"\| \[.+\]\(https://buildkite\.com/docs/apis/rest-api/\S+#\S+\) \| `[a-z]\S*.*` \|", row
        ), row


def test_no_two_operations_are_told_by_one_call() -> None:
    calls = re.findall(r"\| `(.+)` \|$", PAGE, re.MULTILINE)
    assert {call for call in calls if calls.count(call) > 1} == {"annotation.delete()"}  # it knows where it stands


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not at hand")
def test_every_link_leads_to_a_documented_operation() -> None:
    documented = {(each["page"], slug(each["title"])) for each in json.loads(CONTRACT.read_text()) if each["page"]}
    for page, heading in re.findall(r"rest-api/([a-z/_-]+)#([a-z0-9-]+)\)", PAGE):
        known = [title for place, title in documented if place == f"pages/apis/rest_api/{page.replace('-', '_')}.md"]
        assert any(heading == title or heading.endswith(f"-{title}") for title in known), (page, heading)


def slug(title: str) -> str:
    """Write a heading as its anchor."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "")).strip("-")


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not at hand")
def test_every_documented_operation_has_a_row() -> None:
    told = re.findall(r"rest-api/([a-z/_-]+)#([a-z0-9-]+)\)", PAGE)
    missing = [
        each["id"]
        for each in json.loads(CONTRACT.read_text())
        if each["page"]
        and not any(
            f"pages/apis/rest_api/{page.replace('-', '_')}.md" == each["page"]
            and (heading == slug(each["title"]) or heading.endswith(f"-{slug(each['title'])}"))
            for page, heading in told
        )
    ]
    assert missing == []
