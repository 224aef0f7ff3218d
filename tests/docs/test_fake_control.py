"""docs/fake_control.md: its tables are made from the code, and name all options of the command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from buildkite_orm.fake.__main__ import main
from buildkite_orm.fake.control.endpoints import ENDPOINTS
from buildkite_orm.fake.faults import OPTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fake_control.md").read_text(encoding="utf-8")


def test_the_tables_agree_with_the_code() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "docs" / "make_control.py"), "--check"], check=False)
    assert checked.returncode == 0, "stale: run python docs/make_control.py"


def test_every_endpoint_has_a_row() -> None:
    rows = re.findall(r"^\| `([A-Z]+) /_control(\S*)` \|", PAGE, re.MULTILINE)
    assert rows == [(each.method, each.path) for each in ENDPOINTS]


def test_every_option_of_control_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--(?:clock|seed-file|token|control)[a-z-]*", capsys.readouterr().out))
    assert options <= set(re.findall(r"--[a-z-]+", PAGE))


def test_every_kind_of_fault_is_explained_with_its_fields() -> None:
    table = PAGE.partition("## Faults")[2].partition("##")[0]
    rows = re.findall(r"^\| (`[a-z].+?) \| .+? \| (.*?)\s*\|$", table, re.MULTILINE)
    names = {
        kind: set(re.findall(r"`(\w+)`", fields)) for kinds, fields in rows for kind in re.findall(r"`(\w+)`", kinds)
    }
    renamed = {("rate_limit", "headers"): "rate_limit_headers"}
    assert names == {kind: {renamed.get((kind, each), each) for each in known} for kind, known in OPTIONS.items()}
