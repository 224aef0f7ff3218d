"""What shows how far something has come, on a terminal or in a notebook; it shows nothing where there is neither."""

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

_LARGE: Final = 10**7  # bytes, from which on it takes a while
_EXTRA: Final = "pip install 'buildkite_orm[progress]'"


class _Page(Protocol[T_co]):
    @property
    def items(self) -> Iterable[T_co]: ...

    @property
    def cursor(self) -> object: ...


@contextmanager
def progress_line(wanted: bool | None) -> Generator[Callable[[str], object]]:  # noqa: FBT001 - as it was given
    """Give what shows a text, and takes it away at the end; nothing is loaded for that before it is called.

    Args:
        wanted: Whether to; unless told, where there is a terminal or a notebook, and tqdm.

    Raises:
        ConfigurationError: It is wanted, and tqdm is not there.
    """
    if wanted:
        _class_of_bars(wanted)
    with ExitStack() as stack:
        bars: list[Any] = []

        def show(text: str) -> None:
            if not bars:
                bar = _bar(wanted, bar_format="{desc}")
                bars.append(None if bar is None else stack.enter_context(bar))
            if bars[0] is not None:
                bars[0].set_description_str(text)

        yield show


@contextmanager
def progress_bar(wanted: bool | None, *, files: int, size: int) -> Generator[Callable[[int, int], object]]:  # noqa: FBT001
    """Give what shows how many files are done, and how many bytes have come since it was called last.

    Args:
        wanted: Whether to; unless told, where there is a terminal or a notebook, and tqdm.
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


@contextmanager
def progress_of_file(wanted: bool | None, size: int) -> Generator[Callable[[int], object]]:  # noqa: FBT001
    """Give what shows how many bytes of a file are there.

    Args:
        wanted: As for `progress_line`; unless told, for large files only.
        size: How many bytes it has.
    """
    bar = None if wanted is None and size < _LARGE else _bar(wanted, total=size, unit="B", unit_scale=True)
    if bar is None:
        yield lambda _there: None
        return
    with bar:
        yield lambda there: bar.update(there - bar.n)


def gather(pages: Iterable[_Page[T]], wanted: bool | None) -> list[T]:  # noqa: FBT001
    """Give what is on all pages; from the second one on, it shows how far it has come.

    Args:
        pages: The pages, which load as one goes on.
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
        if in_notebook and find_spec("ipywidgets"):  # tqdm.auto warns where that is not there
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
    """Tell whether this runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
