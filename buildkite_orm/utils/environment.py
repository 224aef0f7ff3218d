"""Settings from the environment, without the quotes, spaces and invisible characters of copy and paste."""

from __future__ import annotations

import os
import string
from typing import Final

_BLANKS: Final = string.whitespace + "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
_SPACES: Final = "".join(map(chr, range(0x2000, 0x200B)))
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d"
_INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_UNDECODED_BOM: Final = "\udcef\udcbb\udcbf"  # if the environment is not read as UTF-8
_AROUND: Final = _BLANKS + _SPACES + _QUOTES + _INVISIBLE + _UNDECODED_BOM


def stripped(text: str) -> str:
    """Return a setting without the quotes, spaces and invisible characters around it."""
    return text.strip(_AROUND)


def setting(name: str) -> str | None:
    """Return the value of an environment variable; None if it is not set, or has only spaces and quotes."""
    return stripped(os.environ.get(name, "")) or None
