"""A BIDS data set analysed as BIDS Apps do: participants one by one or at once, then the group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from b2m_encoding._typing import Progress
from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import locked
from b2m_encoding.results.schema.files import STUDY
from b2m_encoding.study import Study, load_study
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.plan import STEPS
from b2m_encoding.workflow.run import explain_study, run_study
from b2m_encoding.workflow.templates import write_template
from b2m_encoding.workflow.templates.hcp import is_hcp
from b2m_encoding.workflow.templates.survey import is_bids

PARTICIPANT_STEPS = tuple(STEPS)[: list(STEPS).index("maps") + 1]
"""Steps of one subject alone."""
LOCK = ".participants.lock"
FOREVER = -1.0


def run_bids_app(
    bids: Path,
    output: Path,
    folder: Path,
    participants: tuple[str, ...] = (),
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Analyse participants of a BIDS data set, and join them with those that are in the results already.

    Each participant is computed in a work folder of its own, so that calls for several participants may run at once, on
    several machines with a common disk. Then the results are written for all participants that are finished, one call
    at a time, the others wait; those in the results for which settings changed since are computed again. What concerns
    one participant does not depend on the order, or on who else is there.

    Parameters
    ----------
    bids : Path
        The data set, from which ``study.toml`` is written where the folder has none.
    output : Path
        The results folder.
    folder : Path
        Folder of ``study.toml`` and of what has been computed.
    participants : tuple of str
        Labels without ``sub-``; empty: all of the data set, together.
    progress : callable
        As of :func:`run_study`.

    Raises
    ------
    ProblemList
        If anything is wrong with the study.
    InputError
        If the study, the results or the work folder cannot be written.
    """
    file = folder / STUDY
    if not (file.is_file() or is_bids(bids) or is_hcp(bids)):
        raise InputError("no BIDS data set here", file=bids, expected="a folder with folders such as sub-01")
    with _alone(folder):
        if not file.exists():
            write_template("bids", bids, folder)
    study = load_study(file)
    joined, target = WorkFolder.beside(study.output), study.model_copy(update={"output": output.absolute()})
    for label in participants:
        if not _is_finished(study, label, joined):
            own = _of_one(study, label)
            run_study(own, file, subjects=(label,), steps=PARTICIPANT_STEPS, wait=FOREVER, progress=progress)
    progress("waits for other participants", 0, 1)
    with _alone(folder):
        finished = {label for label in _adopted(study, joined) if _is_finished(study, label, joined)}
        there = {path.name.removeprefix("sub-") for path in target.output.glob("sub-*/")}
        known = study.data.list_subjects()
        chosen = tuple(label for label in known if label in finished | there | set(participants))
        run_study(target, file, subjects=chosen if participants else (), work=joined, wait=FOREVER, progress=progress)


def _alone(folder: Path) -> AbstractContextManager[None]:
    """Lock of the calls that work on the same data set."""
    return locked(folder / LOCK, "another participant is being joined", FOREVER)


def _of_one(study: Study, label: str) -> Study:
    """The study with a place of its own for one participant; only its work folder is made, beside that of the study."""
    return study.model_copy(update={"output": study.output.with_name(f"{study.output.name}_sub-{label}")})


def _is_finished(study: Study, label: str, joined: WorkFolder) -> bool:
    """Whether the joined work folder has everything of a participant, for the study as it is."""
    states = explain_study(_of_one(study, label), (label,), PARTICIPANT_STEPS, joined)
    return all(state.done for state in states.values())


def _adopted(study: Study, joined: WorkFolder) -> Iterator[str]:
    """Participants whose own work folder is finished; what is in it becomes part of the joined one."""
    for label in study.data.list_subjects():
        own = WorkFolder.beside(_of_one(study, label).output)
        if own.record(f"maps/sub-{label}") is None:
            continue
        with ExitStack() as locks:
            try:
                locks.enter_context(own.locked())
            except InputError:  # it is being computed again, and will be joined after that
                continue
            locks.enter_context(joined.locked(FOREVER))
            joined.adopt(own)
        yield label
