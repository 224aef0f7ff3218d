"""HTML as a browser would read it, and what rich draws, for asserting on."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from typing import Final, Literal

from rich.console import Console

_VOID: Final = {"br", "img", "meta", "link", "input", "hr"}


class Element(dict[str, str]):
    """An element: its attributes, its tag, and the text in it."""

    def __init__(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        super().__init__((name, value or "") for name, value in attributes)
        self.tag = tag
        self.text = ""


class Page(HTMLParser):
    """A piece of HTML, read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == [], "something was left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, attrs)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    @property
    def text(self) -> str:
        return self.elements[0].text

    @property
    def heads(self) -> list[str]:
        return [element.text for element in self.all("th") if element.get("scope") == "col"]

    @property
    def rows(self) -> list[list[str]]:
        rows: list[list[str]] = []
        for element in self.elements:
            if element.tag == "tr":
                rows.append([])
            elif element.tag == "td":
                rows[-1].append(element.text)
        return [row for row in rows if row]


def elements(html: str) -> set[str]:
    return {element.tag for element in Page(html).elements}


def drawn(obj: object, *, width: int = 300, colors: bool = False) -> str:
    """Return what rich prints at some width."""
    system: Literal["truecolor"] | None = "truecolor" if colors else None
    console = Console(file=io.StringIO(), width=width, force_terminal=colors, color_system=system)
    with console.capture() as captured:
        console.print(obj)
    return captured.get().rstrip("\n")
