"""Saves what pages look like, dark and light, narrow and wide: `python -m tests.browser.screenshots FOLDER`."""

from __future__ import annotations

import shutil
import sys
from itertools import product
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.checks import ARGUMENTS, Opened
from tests.browser.pages import SCENES


def main(folder: Path) -> None:
    """Save a picture of each scene at each width, dark and light."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name, make in SCENES.items():
            html = make()
            for width, dark in product((800, 1400), (False, True)):
                opened = Opened(browser, html, width=width, dark=dark)
                opened.save_picture(folder / f"{name}-{width}-{'dark' if dark else 'light'}.png")
                opened.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
