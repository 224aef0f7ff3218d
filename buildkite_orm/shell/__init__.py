"""The shell: a place to look around in Buildkite, with completion and help.

In a notebook or an IPython of one's own, `%load_ext buildkite_orm.shell` brings both.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Give a running IPython, also that of a notebook, the completion and the help of the shell.

    Args:
        shell: The shell of IPython.
    """
    from buildkite_orm.shell.help import Help
    from buildkite_orm.shell.terminal import complete_by_tab, explain

    complete_by_tab(shell, lambda: None)
    explain(shell)
    shell.push({"help": Help()}, interactive=False)
