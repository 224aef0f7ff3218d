"""The checks made in a browser: pages fit, and their text can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="color-scheme" content="light dark"></head>
<body style="font-family:sans-serif">{body}</body></html>"""

# the contrast of every text against the nearest ground that is painted, by what stands there
_CONTRASTS: Final = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || ["STYLE", "SCRIPT", "TITLE", "DESC"].includes(element.tagName.toUpperCase())) continue;
    const ink = element instanceof SVGElement ? getComputedStyle(element).fill : getComputedStyle(element).color;
    const [one, other] = [light(ink), light(ground(element))].sort((a, b) => a - b);
    found[text.data.trim()] = (other + 0.05) / (one + 0.05);
  }
  return found;
}"""


class Opened:
    """A page that is open.

    Attributes:
        page: The page of Playwright.
        problems: Console messages, dialogs, and attempted loads.
    """

    def __init__(self, browser: Browser, html: str, *, width: int, dark: bool) -> None:
        self.problems: list[str] = []
        self._context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", lambda request: self.problems.append(f"request: {request.url}"))
        self.page.on("dialog", self._on_dialog)
        self.page.set_content(html if html.startswith("<!doctype") else _FRAME.format(body=html))

    def close(self) -> None:
        """Close the page."""
        self._context.close()

    def fits(self) -> bool:
        """Whether the page fits into the window without horizontal scrolling, except within scrollable boxes."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))

    def color(self, selector: str) -> str:
        """Return the text color of the first element that matches a selector."""
        return str(self.page.locator(selector).first.evaluate("element => getComputedStyle(element).color"))

    def contrasts(self) -> dict[str, float]:
        """Return the contrast of each text with its background."""
        found: dict[str, float] = self.page.evaluate(_CONTRASTS)
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that match a selector."""
        return self.page.locator(selector).all_inner_texts()

    def save_picture(self, path: Path) -> None:
        """Save what it looks like."""
        self.page.screenshot(path=path, full_page=True)

    def _on_dialog(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


class Opener(Protocol):
    """Opens a page: whole HTML, or what stands in its body."""

    def __call__(self, html: str, *, width: int = ..., dark: bool = ...) -> Opened: ...
