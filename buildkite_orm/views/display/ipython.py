"""What IPython prints: with colours where rich is there and has a terminal to draw them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def printed(draw: Callable[[], object], plain: Callable[[], str]) -> str:
    """Give what IPython prints.

    Args:
        draw: Gives what rich draws.
        plain: Gives it as text, for where rich does not.
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
