"""Text for IPython: in color if rich is installed and the console is a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def ipython_text(draw: Callable[[], object], plain: Callable[[], str]) -> str:
    """Return the text that IPython prints.

    Args:
        draw: Returns a renderable for rich.
        plain: Returns the plain text, used if rich is not installed or the console is not a terminal.
    """
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
    except ImportError:
        return plain()
    console = Console()
    if console.is_jupyter or not console.is_terminal:
        return plain()
    with console.capture() as captured:
        console.print(draw())
    return captured.get().rstrip("\n")
