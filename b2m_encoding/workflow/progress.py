"""Progress of a run in Python: a bar in a notebook, a line elsewhere."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from b2m_encoding._typing import Progress


def show_progress() -> Progress:
    """Show how far a run is, the time that it took and an estimate of the rest.

    Returns
    -------
    callable
        To be passed as ``progress``: a bar below the cell of a notebook, without further packages; a line on the error
        stream elsewhere, which is rewritten in a terminal.

    Examples
    --------
    >>> progress = show_progress()  # run_study(study, file, progress=show_progress())
    >>> progress("sub-01: fit", 2, 5)
    >>> progress("done", 5, 5)
    """
    return _Shown()


class _Shown:
    def __init__(self) -> None:
        self.start, self.handle, self.length = time.monotonic(), _notebook_display(), 0

    def __call__(self, what: str, done: int, total: int) -> None:
        took = time.monotonic() - self.start
        text = f"{done} of {total}, {_duration(took)}"
        if 0 < done < total:
            text += f", about {_duration(took * (total - done) / done)} left"
        if self.handle is not None:
            bar = f'<progress value="{int(done)}" max="{max(int(total), 1)}"></progress>'
            self.handle.update({"text/html": f"{bar} {html.escape(f'{what}: {text}')}"}, raw=True)
        elif sys.stderr.isatty():
            line = f"{what}: {text}"
            sys.stderr.write("\r" + line.ljust(self.length) + ("\n" if done == total else ""))
            self.length = len(line)
        else:
            sys.stderr.write(f"{what}: {text}\n")


def _notebook_display() -> Any:
    """Place below the cell of a notebook; None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display

    show: Any = display
    return show({"text/html": ""}, raw=True, display_id=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
