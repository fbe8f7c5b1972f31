"""Run a study: compute the units of its plan that are not done, then put the results together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from b2m_encoding._typing import Progress
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.data import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.results.place import check_writable, results_locked, work_folder_of, write_owner
from b2m_encoding.results.schema.files import FIGURES
from b2m_encoding.study import Study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.engine.cluster import ClusterSpec, open_cluster
from b2m_encoding.workflow.engine.context import StepContext
from b2m_encoding.workflow.engine.runner import Runner
from b2m_encoding.workflow.engine.store import State, WorkFolder
from b2m_encoding.workflow.plan import Plan
from b2m_encoding.workflow.publish import input_files, publish


def run_study(
    study: Study,
    file: str | Path,
    *,
    subjects: tuple[str, ...] = (),
    steps: Sequence[str] = (),
    cluster: ClusterSpec | None = None,
    work: WorkFolder | None = None,
    wait: float = 0.0,
    progress: Progress = lambda what, done, total: None,
) -> StudyResults | None:
    """Check a study, compute what is not done of it and write the results folder.

    Finished units are kept in a work folder beside the results: a run that was stopped goes on where it was, and a run
    after a change computes only what depends on the change.

    Parameters
    ----------
    study : Study
    file : Path
        The study file. Its content as it was parsed is copied into the results.
    subjects : tuple of str
        Only these.
    steps : sequence of str
        Only these and what they need; the results folder is then left as it is, unless ``figures`` or ``report`` is
        among them.
    cluster : ClusterSpec, optional
        This process by default.
    work : WorkFolder, optional
        Where units are kept; a hidden folder beside the results by default.
    wait : float
        Longest time to wait for another run of the same study, s; -1 without limit.
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
        If another run is working on the same results, or has added subjects to them meanwhile, or an input changed
        while this one went on: nothing is published then, and the next run computes again what follows from it.
    """
    file = Path(file)
    started = datetime.now(UTC)
    study = study if study.source is not None else study.with_source(file.read_bytes())
    checked = check_study(study, subjects, file)
    context = StepContext(study, work or work_folder(study))
    with ExitStack() as locks:
        locks.enter_context(context.work.locked(wait))
        if context.work.path != work_folder_of(study.output):
            locks.enter_context(results_locked(work_folder_of(study.output), wait))
        check_writable(study.output, tuple(checked))  # again: another run may have written here meanwhile
        write_owner(study.output, study.name, file)
        recordings = _open_hashed(context, checked)
        plan = Plan(study, recordings)
        wanted = _steps(steps)
        units = plan.up_to(wanted)
        runner = Runner(context, progress)
        fingerprints = runner.fingerprints(plan.units)
        with open_cluster(cluster, context) as executor:
            numbers = {name: unit for name, unit in units.items() if unit.step != FIGURES}
            runner.run(numbers, fingerprints, len(units), executor)
        if FIGURES not in wanted:
            return None
        publish(runner, plan, fingerprints, file, started)
        if not subjects:
            context.work.forget(plan.units)
        results: StudyResults = context.value(plan.results)
        return results


def explain_study(
    study: Study, subjects: tuple[str, ...] = (), steps: Sequence[str] = (), work: WorkFolder | None = None
) -> dict[str, State]:
    """What a run would compute, unit by unit, and why; nothing is computed."""
    recordings = check_study(study, subjects)
    runner = Runner(StepContext(study, work or work_folder(study)), lambda *_: None)
    units = Plan(study, recordings).up_to(_steps(steps))
    return runner.states(units, runner.fingerprints(units))


def _open_hashed(context: StepContext, checked: Mapping[str, Recording]) -> dict[str, Recording]:
    """Hash all inputs, then open the recordings again: events and confounds in memory are then those that were hashed.

    Raises
    ------
    InputError
        If a recording consists of other files than when it was checked.
    """
    for path in input_files(checked, context.study):
        context.work.hashes.of(path)
    recordings = {subject: context.recording(subject) for subject in checked}
    for subject, recording in recordings.items():
        if moved := set(recording.inputs) ^ set(checked[subject].inputs):
            raise InputError(f"the files of sub-{subject} changed while the run began; run again", file=min(moved))
    return recordings


def work_folder(study: Study) -> WorkFolder:
    """Folder where the units of a study are kept."""
    return WorkFolder.beside(study.output)


def _steps(steps: Sequence[str]) -> set[str]:
    """Steps that are asked for; the report is made with the figures, and both by default."""
    return {FIGURES if step == "report" else step for step in steps} or {FIGURES}
