"""IPython, with a client in it: the prompt comes first, and what takes time comes while one looks at it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.shell.context import Workplace


def run_ipython(workplace: Workplace) -> None:
    """Run IPython until it is left.

    Args:
        workplace: What it works with; opened behind the first prompt, unless it is open already.
    """
    from IPython.terminal.ipapp import TerminalIPythonApp

    app: Any = TerminalIPythonApp.instance(display_banner=False)
    app.initialize(argv=[])
    arrival = Arrival(workplace, app.shell)
    app.shell.events.register("pre_run_cell", arrival.before_cell)
    app.shell.events.register("post_run_cell", arrival.after_cell)
    complete_by_tab(app.shell, arrival.give_names)
    explain(app.shell)
    if app.shell.simple_prompt:
        arrival.come()
    else:
        app.shell.pt_app.app.after_render += arrival.begin
    app.start()


def complete_by_tab(shell: Any, prepare: Callable[[], object]) -> None:
    """Have IPython's Tab offer what annotations tell.

    Args:
        shell: The shell of IPython.
        prepare: Called before names are looked at.
    """
    from IPython.core.completer import SimpleCompletion

    def annotations(context: Any) -> Any:
        from buildkite_orm.shell.completion import complete

        prepare()
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        before = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
        offer = complete(before, shell.user_ns)
        if offer is None:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(text=text, type=offer.kind) for text in offer.texts],
            "matched_fragment": offer.begun,
            "ordered": True,
            "suppress": True,
        }

    annotations.matcher_api_version = 2  # type: ignore[attr-defined]
    shell.Completer.custom_matchers.append(annotations)


def explain(shell: Any) -> None:
    """Have `x?` show the page that `help(x)` shows.

    Args:
        shell: The shell of IPython.
    """

    def explanation(asked: Any) -> list[tuple[str, str]] | None:
        from buildkite_orm.shell.help import page

        text = page(asked.obj) if asked.detail_level == 0 else None
        return None if text is None else [("Help", text)]

    shell.inspector.mime_hooks = {**shell.inspector.mime_hooks, "text/plain": explanation}


class Arrival:
    """How the names come into the shell: before anything that was entered runs, and before Tab offers anything.

    The banner comes when it is known, but never in the midst of what a cell prints.
    """

    def __init__(self, workplace: Workplace, shell: Any) -> None:
        self._workplace = workplace
        self._shell = shell
        self._lock = threading.Lock()
        self._came = False
        self._output = threading.Lock()
        self._runs = False
        self._banner = ""

    def begin(self, application: Any) -> None:
        """Begin when the first prompt is there."""
        application.after_render -= self.begin
        threading.Thread(target=self.come, daemon=True).start()

    def come(self) -> None:
        """Give the names, then the banner; neither where the shell was left meanwhile."""
        self.give_names()
        if self._workplace.is_closed:
            return
        from buildkite_orm.shell.banner import banner

        lines = banner(self._workplace.client, self._workplace.organization)
        with self._output:
            self._banner = "\n".join([*lines, ""])
            if not self._runs:
                self._tell()

    def before_cell(self, cell: object) -> None:
        """Give the names to what is run."""
        del cell
        with self._output:
            self._runs = True
        self.give_names()

    def after_cell(self, result: object) -> None:
        """Tell what waited for what was run."""
        del result
        with self._output:
            self._runs = False
            self._tell()

    def _tell(self) -> None:
        sys.stdout.write(self._banner)
        self._banner = ""

    def give_names(self) -> None:
        """Give the names, once."""
        with self._lock:
            if not self._came:
                names = self._workplace.open()
                mine = {name: names[name] for name in ("bk", "org") if name in names}
                self._shell.push({name: names[name] for name in names.keys() - mine.keys()}, interactive=False)
                self._shell.push(mine)
                self._came = True
