"""Compute the units of a plan that are not done, one after the other, here or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from b2m_encoding._typing import Progress
from b2m_encoding.io.memory import return_freed_memory
from b2m_encoding.workflow.engine.context import Output, StepContext
from b2m_encoding.workflow.engine.serialise import save_tree
from b2m_encoding.workflow.engine.store import State
from b2m_encoding.workflow.engine.unit import Unit, key_of

Fingerprint = Mapping[str, Any]


class Executor(Protocol):
    """Where units are computed."""

    def run(
        self,
        todo: Mapping[str, Unit],
        fingerprints: Mapping[str, Fingerprint],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Compute all units, each after those it needs; ``begin`` and ``done`` are called with each."""


class LocalExecutor:
    """Units in this process, one after the other."""

    def __init__(self, context: StepContext, report: Callable[[Unit, str, int, int], None]) -> None:
        self.context, self.report = context, report

    def run(
        self,
        todo: Mapping[str, Unit],
        fingerprints: Mapping[str, Fingerprint],
        done: Callable[[Unit], None],
        begin: Callable[[Unit], None],
    ) -> None:
        """Compute all units in their order."""
        remaining = dict(todo)
        for name, unit in todo.items():
            begin(unit)
            compute_unit(self.context, unit, fingerprints[name], partial(self.report, unit))
            del remaining[name]
            self.context.release(remaining.values())
            return_freed_memory()
            done(unit)


def compute_unit(
    context: StepContext,
    unit: Unit,
    fingerprint: Fingerprint,
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Compute a unit from its inputs and keep its value and files.

    Raises
    ------
    InputError
        If an input file changed since it was hashed: the unit may have read either content, and is not kept.
    """
    with context.work.writing(unit, fingerprint) as folder:
        value = unit.compute(**context.arguments(unit, Output(folder), progress))
        context.work.hashes.require_unchanged((*unit.files, *unit.watched))
        save_tree(value, folder)  # others load it: a value in memory may have another layout, and sums other last bits


class Runner:
    """Bring units up to date.

    Parameters
    ----------
    context : StepContext
    progress : callable
        Called with the unit that is computed now, the units done and the units in all.
    """

    def __init__(self, context: StepContext, progress: Progress) -> None:
        self.context, self.work, self.progress = context, context.work, progress
        self.n_done, self.total = 0, 0
        self.computed: list[Unit] = []
        """Units that were computed, and not only found."""

    def fingerprints(self, units: Mapping[str, Unit]) -> dict[str, Fingerprint]:
        """Everything that the result of each unit depends on."""
        fingerprints: dict[str, Fingerprint] = {}
        keys: dict[str, str] = {}
        for name, unit in units.items():
            fingerprints[name] = self.work.fingerprint(unit, keys)
            keys[name] = key_of(fingerprints[name])
        self.work.hashes.save()
        return fingerprints

    def states(self, units: Mapping[str, Unit], fingerprints: Mapping[str, Fingerprint]) -> dict[str, State]:
        """Whether each unit is done, or why not; a temporary one may be absent where all that need it are done."""
        states: dict[str, State] = {}
        for name, unit in reversed(list(units.items())):
            state = self.work.state(unit, fingerprints[name])
            users = [states[other].done for other, user in units.items() if name in user.needs]
            idle = unit.temporary and bool(users) and all(users)
            states[name] = State(True, "not needed any more") if idle and not state.done else state
        return {name: states[name] for name in units}

    def run(
        self,
        units: Mapping[str, Unit],
        fingerprints: Mapping[str, Fingerprint],
        total: int = 0,
        executor: Executor | None = None,
    ) -> None:
        """Compute what is not done; remove what only served it.

        Parameters
        ----------
        units : mapping of str to Unit
            In an order in which they can be computed.
        fingerprints : mapping of str to Fingerprint
            Those of :meth:`fingerprints`, which a run computes once.
        total : int
            Units in all, for the progress; those of ``units`` by default.
        executor : Executor, optional
            This process by default.
        """
        states = self.states(units, fingerprints)
        todo = {name: unit for name, unit in units.items() if not states[name].done}
        self.n_done, self.total = len(units) - len(todo), total or len(units)
        executor = executor or LocalExecutor(self.context, self._report)
        executor.run(todo, fingerprints, partial(self._done, units, set(todo)), self._report)
        self.work.drop_factors()

    def _done(self, units: Mapping[str, Unit], remaining: set[str], unit: Unit) -> None:
        """Count a unit; remove what only it still needed."""
        self.n_done += 1
        self.computed.append(unit)
        remaining.discard(unit.name)
        for name in unit.needs:
            if name in units and units[name].temporary and not any(name in units[other].needs for other in remaining):
                self.work.drop(name)

    def _report(self, unit: Unit, what: str = "", done: int = 0, total: int = 0) -> None:
        detail = f": {what}" if what else ""
        count = f", {done} of {total} clips" if total else ""
        self.progress(f"{unit}{detail}{count}", self.n_done, self.total)
