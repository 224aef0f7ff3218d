"""The copy buttons of the documentation: they copy code, and neither prompts nor output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.page import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRIPT = ROOT / "docs" / "_static" / "copy.js"


@pytest.mark.parametrize(
    ("shown", "copied"),
    [
        (
            ">>> for job in jobs:\n...     print(job)\nScriptJob(x)\n>>> 1 + 1\n2\n",
            "for job in jobs:\n    print(job)\n1 + 1",
        ),
        ("$ python a.py\nout\n$ python b.py\n", "python a.py\npython b.py"),
        ("import x\n\nprint('>>> no prompt')\n", "import x\n\nprint('>>> no prompt')"),
    ],
)
def test_a_button_copies_what_is_typed(browser: Browser, shown: str, copied: str) -> None:
    page = browser.new_page()
    page.set_content("<p></p>")
    page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
    assert page.evaluate("shown => codeOf(shown)", shown) == copied
    page.close()
