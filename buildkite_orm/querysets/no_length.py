"""The missing length of querysets, and the error that names the calls to use instead."""

from __future__ import annotations

from typing import Self


class _NoLengthError(TypeError, AttributeError):
    """A queryset has no length.

    A TypeError, as from any object without a length; an AttributeError, so that `hasattr(qs, "__len__")` is False. It
    is printed and pickled as a TypeError.
    """

    __module__ = "builtins"
    __qualname__ = "TypeError"

    def __reduce__(self) -> tuple[type[TypeError], tuple[object, ...]]:
        return TypeError, self.args


class NoLength:
    """Raises for `len()`, with the call to use instead.

    Code that checks for `__len__` first, such as `map` of thread pools, does not find it, and iterates.
    """

    def __get__(self, queryset: object, owner: type) -> Self:
        if queryset is None:
            return self
        msg = "a queryset has no len(), since that would send a request; use .count(), or len(list(qs))"
        raise _NoLengthError(msg)
