"""The colors of the light and the dark theme, and CSS that chooses between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.views.display.status_colors import StatusStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

Theme = Literal["light", "dark"]

THEMES: Final[tuple[Theme, Theme]] = ("light", "dark")
_NAMES: Final = ("paper", "ink", "soft", "line")
_COLORS: Final[dict[Theme, tuple[str, ...]]] = {
    "light": ("#ffffff", "#1f2328", "#5f6670", "#e3e6ea"),
    "dark": ("#1e1e1e", "#e6e6e6", "#a0a8b3", "#3a3f45"),
}


def theme_colors(theme: Theme) -> dict[str, str]:
    """Return the colors of a theme by name: background, text, minor text, lines, and each status style."""
    return dict(zip(_NAMES, _COLORS[theme], strict=True)) | {
        style.value: getattr(style, theme) for style in StatusStyle
    }


def css_declarations(colors: Mapping[str, str]) -> str:
    """Return CSS that declares colors as variables."""
    return ";".join(f"--bk-{name}:{color}" for name, color in colors.items())


def css_by_theme(selector: str, light: str, dark: str) -> str:
    """Return CSS for both themes: that of the notebook if it declares one, else that of the system.

    Args:
        selector: The elements.
        light: The declarations of the light theme.
        dark: The declarations of the dark theme.
    """
    return (
        f"{selector}{{{light}}}@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f'[data-jp-theme-light="true"] {selector},.vscode-light {selector},html[theme="light"] {selector}{{{light}}}'
        f'[data-jp-theme-light="false"] {selector},.vscode-dark {selector},.vscode-high-contrast {selector},'
        f'html[theme="dark"] {selector}{{{dark}}}'
    )
