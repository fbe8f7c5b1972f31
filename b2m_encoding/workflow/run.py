"""Run a study: do the units of its plan that are not done, then put the results together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from b2m_encoding.data import Recording
from b2m_encoding.study import Study
from b2m_encoding.workflow import group_steps as group
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.engine import Desk, WorkFolder
from b2m_encoding.workflow.engine.cluster import Place, workers_of
from b2m_encoding.workflow.engine.runner import Progress, Runner
from b2m_encoding.workflow.engine.store import State
from b2m_encoding.workflow.plan import Plan
from b2m_encoding.workflow.publish import publish
from b2m_encoding.workflow.write_maps import StudyResults


def run_study(
    study: Study,
    file: Path,
    *,
    subjects: tuple[str, ...] = (),
    steps: Sequence[str] = (),
    place: Place | None = None,
    progress: Progress = lambda what, done, total: None,
) -> StudyResults | None:
    """Check a study, do what is not done of it and write the results folder.

    What is done is kept in a work folder beside the results: a run that was stopped goes on where it was, and a run
    after a change does again only what follows from the change.

    Parameters
    ----------
    study : Study
    file : Path
        The study file, copied into the results.
    subjects : tuple of str
        Only these.
    steps : sequence of str
        Only these and what they need; the results folder is then left as it is, unless ``figures`` or ``report`` is
        among them.
    place : Place, optional
        A cluster; this process by default.
    progress : callable
        Called with what is done now, the units done and the units in all.

    Returns
    -------
    StudyResults or None
        None if only some steps were done.

    Raises
    ------
    ProblemList
        If anything is wrong with the study; nothing is computed or written then.
    InputError
        If another run is working on the same results.
    """
    started = datetime.now(UTC)
    recordings = check_study(study, subjects)
    desk = Desk(study, work_folder(study), recordings)
    with desk.work.locked():
        with workers_of(place, desk) as workers:
            runner = Runner(desk, progress, workers)
            plan = _planned(study, recordings, runner)
            wanted = {"figures" if step == "report" else step for step in steps} or {"figures"}
            units = plan.up_to(wanted)
            runner.run({name: unit for name, unit in units.items() if unit.step != "figures"}, len(units))
        if "figures" not in wanted:
            return None
        publish(Runner(desk, progress), plan, file, started)
        if not subjects:
            desk.work.forget(plan.units)
        return group.collect(desk, list(recordings))


def explain_study(study: Study, subjects: tuple[str, ...] = (), steps: Sequence[str] = ()) -> dict[str, State]:
    """What a run would do, unit by unit, and why; nothing is computed."""
    recordings = check_study(study, subjects)
    runner = Runner(Desk(study, work_folder(study)), lambda *_: None)
    facts = {subject: runner.work.facts(f"features/sub-{subject}") for subject in recordings}
    plan = Plan(study, recordings, {subject: known.get("columns", 1) for subject, known in facts.items()})
    units = plan.up_to({"figures" if step == "report" else step for step in steps} or {"figures"})
    return runner.states(units, runner.bases(units))


def work_folder(study: Study) -> WorkFolder:
    """Where a study keeps what is done."""
    return WorkFolder.beside(study.output)


def _planned(study: Study, recordings: Mapping[str, Recording], runner: Runner) -> Plan:
    """The whole plan; features come first, for they tell how many parts the targets are cut into."""
    about = len(Plan(study, recordings, dict.fromkeys(recordings, 1)).units)
    runner.run(Plan(study, recordings).units, about)
    facts = {subject: runner.work.facts(f"features/sub-{subject}") for subject in recordings}
    return Plan(study, recordings, {subject: int(known["columns"]) for subject, known in facts.items()})
