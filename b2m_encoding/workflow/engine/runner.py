"""Do the units of a plan that are not done, one after the other, here or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from b2m_encoding.workflow.engine.context import Desk, Output
from b2m_encoding.workflow.engine.serialise import save_tree, size_of_tree
from b2m_encoding.workflow.engine.store import State
from b2m_encoding.workflow.engine.unit import Unit, key_of

Progress = Callable[[str, int, int], None]
Basis = Mapping[str, Any]


class Workers(Protocol):
    """Where units are done."""

    def do(
        self,
        todo: Mapping[str, Unit],
        bases: Mapping[str, Basis],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Do all units, each after those it needs; ``begin`` and ``done`` are called with each."""


class Here:
    """In this process, one after the other."""

    def __init__(self, desk: Desk, report: Callable[[Unit, str, int, int], None]) -> None:
        self.desk, self.report = desk, report

    def do(
        self,
        todo: Mapping[str, Unit],
        bases: Mapping[str, Basis],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Do all units in their order."""
        for name, unit in todo.items():
            begin(unit)
            do_unit(self.desk, unit, bases[name], partial(self.report, unit))
            done(unit)


def do_unit(desk: Desk, unit: Unit, basis: Basis, report: Progress = lambda what, done, total: None) -> None:
    """Do a unit and keep what it returns."""
    facts: dict[str, Any] = {}
    with desk.work.writing(unit, basis, facts) as folder:
        value = unit.compute(desk, Output(folder, facts, report))
        save_tree(value, folder)
    desk.keep(unit.name, value, size_of_tree(desk.folder(unit.name)))


class Runner:
    """Bring units up to date.

    Parameters
    ----------
    desk : Desk
    progress : callable
        Called with what is done now, the units done and the units in all.
    workers : Workers, optional
        This process by default.
    """

    def __init__(self, desk: Desk, progress: Progress, workers: Workers | None = None) -> None:
        self.desk, self.work, self.progress = desk, desk.work, progress
        self.n_done, self.total = 0, 0
        self.workers: Workers = workers or Here(desk, self._report)

    def bases(self, units: Mapping[str, Unit]) -> dict[str, Basis]:
        """Everything that each unit follows from."""
        bases: dict[str, Basis] = {}
        keys: dict[str, str] = {}
        for name, unit in units.items():
            bases[name] = self.work.basis(unit, keys)
            keys[name] = key_of(bases[name])
        self.work.hashes.save()
        return bases

    def states(self, units: Mapping[str, Unit], bases: Mapping[str, Basis]) -> dict[str, State]:
        """Whether each unit is done, or why not; one that only others need, which are done, may be absent."""
        states: dict[str, State] = {}
        for name, unit in reversed(list(units.items())):
            state = self.work.state(unit, bases[name])
            users = [states[other].done for other, one in units.items() if name in one.needs]
            idle = unit.passing and bool(users) and all(users)
            states[name] = State(True, "not needed any more") if idle and not state.done else state
        return {name: states[name] for name in units}

    def run(self, units: Mapping[str, Unit], total: int = 0) -> None:
        """Do what is not done; remove what only served it."""
        bases = self.bases(units)
        states = self.states(units, bases)
        todo = {name: unit for name, unit in units.items() if not states[name].done}
        self.n_done, self.total = len(units) - len(todo), total or len(units)
        self.workers.do(todo, bases, partial(self._done, units, set(todo)), self._report)

    def _done(self, units: Mapping[str, Unit], left: set[str], unit: Unit) -> None:
        """Count a unit; remove what only it still needed."""
        self.n_done += 1
        left.discard(unit.name)
        for name in unit.needs:
            if name in units and units[name].passing and not any(name in units[other].needs for other in left):
                self.work.drop(name)

    def _report(self, unit: Unit, what: str = "", done: int = 0, total: int = 0) -> None:
        detail = f": {what}" if what else ""
        count = f", {done} of {total} clips" if total else ""
        self.progress(f"{unit}{detail}{count}", self.n_done, self.total)
