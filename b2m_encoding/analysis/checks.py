"""Checks of a recording against what a study asks for, before anything is computed; no solver is loaded."""

from __future__ import annotations

from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Space, SurfaceSpace
from b2m_encoding.study import Study

FEWEST_RUNS = 3
"""Training runs of a learning curve: with two, there is no other number."""


def check_clusters(space: Space, study: Study) -> None:
    """Raise if the study asks for clusters of targets that are on no mesh."""
    if study.statistics.clusters != "none" and not isinstance(space, SurfaceSpace):
        raise InputError(
            "clusters are found on the mesh of a surface",
            found=f'statistics.clusters = "{study.statistics.clusters}", responses on {space.name}',
            fix='leave the option out, use correction = "fwe", or give responses on a surface',
        )


def check_learning_curve(runs: Runs, study: Study) -> None:
    """Raise unless a study that asks for learning curves has three training runs."""
    if study.statistics.learning_curve:
        runs, [split, *_] = split_samples(runs, study.evaluation)
        names = list(dict.fromkeys(runs.run[split.train].tolist()))
        if len(names) < FEWEST_RUNS:
            raise InputError(
                "statistics.learning_curve needs three training runs",
                found=", ".join(names),
                fix="leave it out, or name fewer test runs",
            )


def check_groups(runs: Runs, study: Study) -> None:
    """Raise unless training and test share two groups of clips, where a study leaves groups out."""
    if "group" not in study.statistics.generalise:
        return
    if not (runs.group != "").any():
        column = study.data.group_name
        raise InputError(
            'statistics.generalise = ["group"] needs groups of clips',
            found=f"no label in the column {column}" if column else "no group under [data.clips]",
            expected="the column of the events with the genre, condition or speaker of each clip",
            fix='clips = { group = "NAME OF THE COLUMN" } under [data]',
        )
    runs, [split, *_] = split_samples(runs, study.evaluation)
    trained, tested = (set(runs.group[rows].tolist()) - {""} for rows in (split.train, split.test))
    if len(trained & tested) < 2:
        raise InputError(
            'statistics.generalise = ["group"] needs clips of two groups in both training and test',
            found=", ".join(sorted(trained & tested))
            or f"none in both; training {sorted(trained)}, test {sorted(tested)}",
            expected="labels in the column of the groups of clips of the events",
        )
