"""The plain REPL, for where IPython is not."""

from __future__ import annotations

import code
from typing import TYPE_CHECKING, Any

from buildkite_orm.shell.banner import banner
from buildkite_orm.shell.completion import complete

if TYPE_CHECKING:
    from buildkite_orm.shell.context import Workplace


def run_plain(workplace: Workplace) -> None:
    """Run the REPL until it is left.

    Args:
        workplace: What it works with.
    """
    names = {"__name__": "__console__", "__doc__": None, **workplace.open()}
    complete_lines(names)
    lines = banner(workplace.client, workplace.organization)
    code.interact(banner="\n".join(lines), local=names, exitmsg="")


def complete_lines(names: dict[str, Any]) -> None:
    """Have Tab offer what annotations tell, where there is readline.

    Args:
        names: The names that there are.
    """
    try:
        import readline
        import rlcompleter
    except ImportError:  # as on Windows
        return
    others = rlcompleter.Completer(names)
    offers: list[str] = []

    def offer(word: str, number: int) -> str | None:
        if number == 0:
            offers[:] = offers_for(readline.get_line_buffer()[: readline.get_endidx()], word, names, others)
        return offers[number] if number < len(offers) else None

    readline.set_completer(offer)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def offers_for(before: str, word: str, names: dict[str, Any], others: Any) -> list[str]:
    """Give what may stand in the place of the word that readline sees, whose end is what is begun.

    Args:
        before: The line up to the cursor.
        word: The word.
        names: The names that there are.
        others: The completer of all else.
    """
    offer = complete(before, names)
    if offer is None:
        return _all_of(others, word)
    if not word.endswith(offer.begun):
        return []
    kept = word.removesuffix(offer.begun)
    return [kept + text for text in offer.texts]


def _all_of(others: Any, word: str) -> list[str]:
    found: list[str] = []
    while (text := others.complete(word, len(found))) is not None:
        found.append(text)
    return found
