"""A real browser, which sees pages as people do: at some width, dark or light."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.browser.checks import ARGUMENTS, Opened, Opener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")  # while it is open, an event loop runs in this thread
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on the PATH; .ci/browser installs Debian's")
    sync_playwright = pytest.importorskip("playwright.sync_api", reason="install the extra check").sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens pages; fails at the end if one wrote to the console, opened a dialog, or loaded anything."""
    opened: list[Opened] = []

    def open_one(html: str, *, width: int = 1400, dark: bool = False) -> Opened:
        opened.append(Opened(browser, html, width=width, dark=dark))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()
        assert each.problems == []
