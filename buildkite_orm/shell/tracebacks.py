"""Tracebacks of the errors of this library, without the frames of the library and of what it calls."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_HIDDEN: Final = frozenset({"buildkite_orm", "concurrent", "pydantic", "requests", "tenacity", "threading", "urllib3"})


def own_frames(tb: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of the library; the whole traceback if it has no others.

    Args:
        tb: The traceback.
    """
    frames: list[TracebackType] = []
    following = tb
    while following is not None:
        if _package(following) not in _HIDDEN:
            frames.append(following)
        following = following.tb_next
    shown: TracebackType | None = None
    for each in reversed(frames):
        shown = TracebackType(shown, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return shown or tb


@contextmanager
def without_cause(error: BaseException) -> Generator[None]:
    """Hide what caused an error, whose message has it, while it is shown.

    Args:
        error: The error.
    """
    cause, context, suppressed = error.__cause__, error.__context__, error.__suppress_context__
    error.__cause__ = error.__context__ = None
    try:
        yield
    finally:
        error.__cause__, error.__context__ = cause, context
        error.__suppress_context__ = suppressed


def print_error(error: BaseException, tb: TracebackType | None) -> None:
    """Print an error; one of this library without its frames.

    Args:
        error: The error.
        tb: The traceback.
    """
    from buildkite_orm.errors import BuildkiteError

    if not isinstance(error, BuildkiteError):
        traceback.print_exception(error.with_traceback(tb))
        return
    with without_cause(error):
        traceback.print_exception(type(error), error, own_frames(tb))


def shorten_tracebacks(shell: Any) -> None:
    """Show the errors of this library in IPython without the frames of the library; `%tb` shows all of them.

    Args:
        shell: The IPython shell.
    """
    from buildkite_orm.errors import BuildkiteError

    def show(shell: Any, kind: type[BaseException], error: BaseException, tb: TracebackType, tb_offset: Any) -> None:
        with without_cause(error):
            shell.showtraceback((kind, error, own_frames(tb)), tb_offset=tb_offset)
        sys.last_traceback = tb  # for `%tb` and `%debug`

    shell.set_custom_exc((BuildkiteError,), show)


def _package(tb: TracebackType) -> str:
    name: object = tb.tb_frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""
