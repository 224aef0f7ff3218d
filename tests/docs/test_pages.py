"""The code in the README and the documentation runs, and its output is as shown."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.docs.page import LANGUAGES, PAGES, ROOT, as_it_must_be, blocks, prose, unused_files

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in zip(NAMES, PAGES, strict=True)}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

# The number of blocks that cannot be run, by page.
NOT_RUN = {
    "docs/asyncio.md": 2,
    "docs/fake_control.md": 2,
    "docs/reliability.md": 1,
    "docs/testing.md": 1,
    "docs/waiting.md": 1,
    "docs/webhooks.md": 4,
}


# The packages that a page needs and that the extra `test` does not install.
IMPORTS = {
    "docs/analyse.md": ["dlt", "duckdb", "pandas", "polars", "pyarrow"],
    "docs/scale.md": ["distributed"],
    "docs/slow.md": ["matplotlib"],
}


@pytest.mark.parametrize("name", NAMES)
def test_the_output_on_a_page_is_the_real_output(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in IMPORTS.get(name, []):
        pytest.importorskip(package, reason="install the extra check")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    page, installed = as_it_must_be(ROOT / name, tmp_path)
    changes = difflib.unified_diff(TEXTS[name].splitlines(), page.splitlines(), "shown", "real", lineterm="")
    assert page == TEXTS[name], "out of date: run python docs/make_outputs.py\n" + "\n".join(changes)
    for line in installed:
        for extras in re.findall(r"\[([^\]]+)\]", line):
            assert set(extras.split(",")) <= EXTRAS.keys(), line


@pytest.mark.parametrize("name", NAMES)
def test_no_block_of_a_page_is_left_out(name: str) -> None:
    found = blocks(TEXTS[name])
    assert [block.language for block in found if block.language not in LANGUAGES and block.language[:1] != "{"] == []
    assert sum(block.why_not is not None for block in found) == NOT_RUN.get(name, 0)
    assert unused_files(TEXTS[name]) == []
    assert not re.search(r"^\s*(?:```|~~~|>>> |\$ )", prose(TEXTS[name]), re.MULTILINE), "code outside of a block"


def test_code_of_python_is_not_both_shown_with_a_prompt_and_without() -> None:
    mixed = [
        (name, block.text)
        for name, text in TEXTS.items()
        for block in blocks(text)
        if block.language == "python" and ">>> " in block.text and not block.text.startswith(">>> ")
    ]
    assert mixed == []


def test_every_example_is_shown_on_a_page_and_so_run() -> None:
    shown = [block.text for text in TEXTS.values() for block in blocks(text) if block.language in {"sh", "console"}]
    run = set(re.findall(r"\bexamples/\w+\.py\b", "\n".join(shown)))
    assert run == {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py")}
