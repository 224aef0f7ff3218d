"""Dark and light in what is drawn with CSS: the colours of each, and where which of them holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.views.display.status_colors import StatusStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

Ground = Literal["light", "dark"]

GROUNDS: Final[tuple[Ground, Ground]] = ("light", "dark")
_NAMES: Final = ("paper", "ink", "soft", "line")
_COLOURS: Final[dict[Ground, tuple[str, ...]]] = {
    "light": ("#ffffff", "#1f2328", "#5f6670", "#e3e6ea"),
    "dark": ("#1e1e1e", "#e6e6e6", "#a0a8b3", "#3a3f45"),
}


def colours(ground: Ground) -> dict[str, str]:
    """Give the colours on a ground: of itself, the ink, what is less important, lines, and of each tone."""
    return dict(zip(_NAMES, _COLOURS[ground], strict=True)) | {
        tone.value: getattr(tone, ground) for tone in StatusStyle
    }


def declared(named: Mapping[str, str]) -> str:
    """Declare colours as CSS variables."""
    return ";".join(f"--bk-{name}:{colour}" for name, colour in named.items())


def themed(selector: str, light: str, dark: str) -> str:
    """Write CSS for dark and light: as the system has it, or the notebook where that says so.

    Args:
        selector: What it is for.
        light: What holds on a light ground.
        dark: What holds on a dark one.
    """
    return (
        f"{selector}{{{light}}}@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f'[data-jp-theme-light="true"] {selector},.vscode-light {selector},html[theme="light"] {selector}{{{light}}}'
        f'[data-jp-theme-light="false"] {selector},.vscode-dark {selector},.vscode-high-contrast {selector},'
        f'html[theme="dark"] {selector}{{{dark}}}'
    )
