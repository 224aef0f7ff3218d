"""Progress bars and lines, on a terminal or in a notebook; elsewhere nothing is shown."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LARGE: Final = 10**7  # bytes; smaller files are quick
_EXTRA: Final = "pip install 'buildkite_orm[progress]'"


class _Page(Protocol[T_co]):
    @property
    def items(self) -> Iterable[T_co]: ...

    @property
    def cursor(self) -> object: ...


@contextmanager
def progress_line(wanted: bool | None) -> Generator[Callable[[str], object]]:  # noqa: FBT001 - the caller's option
    """Yield a function that shows a text; the text is removed at the end. tqdm is imported when it is first called.

    A text that is shown already is not written again: without widgets, a notebook shows each as a line of its own.

    Args:
        wanted: Whether to show progress; None if there is a terminal or a notebook, and tqdm is installed.

    Raises:
        ConfigurationError: Progress is wanted, and tqdm is not installed.
    """
    if wanted:
        _class_of_bars(wanted)
    with ExitStack() as stack:
        bars: list[Any] = []
        shown: list[str] = []

        def show(text: str) -> None:
            if shown == [text]:
                return
            shown[:] = [text]
            if not bars:
                bar = _bar(wanted, bar_format="{desc}")
                bars.append(None if bar is None else stack.enter_context(bar))
            if bars[0] is not None:
                bars[0].set_description_str(text)

        yield show


@contextmanager
def progress_bar(wanted: bool | None, *, files: int, size: int) -> Generator[Callable[[int, int], object]]:  # noqa: FBT001
    """Yield a function that shows how many files are done, given that and the bytes received since the last call.

    Args:
        wanted: As for `progress_line`.
        files: The number of files.
        size: The number of bytes.

    Raises:
        ConfigurationError: Progress is wanted, and tqdm is not installed.
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


@contextmanager
def progress_of_file(wanted: bool | None, size: int) -> Generator[Callable[[int], object]]:  # noqa: FBT001
    """Yield a function that shows how many bytes of a file are received.

    Args:
        wanted: As for `progress_line`; None shows it for large files only.
        size: The number of bytes.
    """
    bar = None if wanted is None and size < _LARGE else _bar(wanted, total=size, unit="B", unit_scale=True)
    if bar is None:
        yield lambda _received: None
        return
    with bar:
        yield lambda received: bar.update(received - bar.n)


def gather(pages: Iterable[_Page[T]], wanted: bool | None) -> list[T]:  # noqa: FBT001
    """Return the items of all pages; from the second page on, show how many are loaded.

    Args:
        pages: The pages, which load during iteration.
        wanted: As for `progress_line`.
    """
    items: list[T] = []
    with progress_line(wanted) as show:
        for page in pages:
            items += page.items
            if page.cursor is not None:  # the next page is not loaded yet
                show(f"{len(items)} loaded")
    return items


def _bar(wanted: bool | None, **options: Any) -> Any:  # noqa: FBT001
    kind = _class_of_bars(wanted)
    return None if kind is None else kind(leave=False, file=sys.stderr, **options)


def _class_of_bars(wanted: bool | None) -> Any:  # noqa: FBT001
    in_notebook = _is_notebook()
    if wanted is False or (wanted is None and not in_notebook and not _is_terminal()):
        return None
    try:
        if in_notebook and find_spec("ipywidgets"):  # without it, tqdm.auto warns
            from tqdm.notebook import tqdm_notebook  # noqa: PLC0415 - an extra

            return tqdm_notebook
        from tqdm import tqdm  # noqa: PLC0415 - an extra
    except ImportError:
        if wanted:
            raise ConfigurationError(f"progress=True needs tqdm: {_EXTRA}") from None
        return None
    else:
        return tqdm


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _is_notebook() -> bool:
    """Return whether this runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
