"""What shows on a terminal how far something has come; it shows nothing where there is no terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_EXTRA: Final = "pip install 'buildkite_orm[progress]'"


@contextmanager
def progress_line(wanted: bool | None) -> Generator[Callable[[str], object]]:  # noqa: FBT001 - as it was given
    """Give what shows a text on the terminal, and takes it away at the end.

    Args:
        wanted: Whether to; unless told, where there is a terminal and tqdm.

    Raises:
        ConfigurationError: It is wanted, and tqdm is not there.
    """
    bar = _bar(wanted, bar_format="{desc}")
    if bar is None:
        yield lambda _text: None
        return
    with bar:
        yield bar.set_description_str


@contextmanager
def progress_bar(wanted: bool | None, *, files: int, size: int) -> Generator[Callable[[int, int], object]]:  # noqa: FBT001
    """Give what shows how many files are done, and how many bytes have come since it was called last.

    Args:
        wanted: Whether to; unless told, where there is a terminal and tqdm.
        files: How many files there are.
        size: How many bytes there are.

    Raises:
        ConfigurationError: It is wanted, and tqdm is not there.
    """
    bar = _bar(wanted, total=size, desc=f"0/{files} files", unit="B", unit_scale=True)
    if bar is None:
        yield lambda _done, _more: None
        return

    def show(done: int, more: int) -> None:
        bar.set_description_str(f"{done}/{files} files", refresh=False)
        bar.update(more)

    with bar:
        yield show


def _bar(wanted: bool | None, **options: Any) -> Any:  # noqa: FBT001
    if wanted is False or (wanted is None and not _is_terminal()):
        return None
    try:
        from tqdm import tqdm  # noqa: PLC0415 - an extra
    except ImportError:
        if wanted:
            raise ConfigurationError(f"progress=True needs tqdm: {_EXTRA}") from None
        return None
    return tqdm(leave=False, file=sys.stderr, **options)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]
